"""Workflow versions as the service has them: published ones beside those that are shipped, aliases, ends of support.

What a workflow file may say belongs to ``workflows``; which job runs which version is written down with the job.
"""
