"""What becomes of content once its job is over: how long it is kept, what is held, purged and taken down, and what
looks like what.

Here it is decided what is to be forgotten, and seen to it that it is, everywhere. How the job store forgets its own
rows is known to ``jobs``, and how a worker forgets its files stands in the node pack.
"""
