"""What a job is: its states, its values and the durable store of jobs.

No HTTP and no worker here: who asks and who runs is elsewhere.
"""
