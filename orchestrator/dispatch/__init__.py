"""From a queued job to its end: claimed for a worker, run by ``execution``, renewed, retried where worth it, taken up
again after a crash; and the workers that this machine starts itself.

What a job costs, how fair a queue is and what a worker's wire looks like are decided elsewhere: ``metering``, ``jobs``,
``link``.
"""
