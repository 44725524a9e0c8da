"""What becomes of content once its job is over: how long it is kept, what is held, what is purged, what is taken down,
and what looks like what.

How a job forgets its own rows is the job store's to know, how a worker forgets its files the worker's; here is decided
what is to be forgotten, and seen to it that it is, everywhere.
"""
