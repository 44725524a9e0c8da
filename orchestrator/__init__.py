"""Jobs on workers, durably: how a job is taken, run, followed, delivered and told of.

It talks to workers over the wire only and imports neither the nodes nor the runner. What one hosted call does belongs
to ``generation``, what a graph may look like to ``workflows``.
"""
