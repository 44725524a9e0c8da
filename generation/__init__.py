"""One hosted generation from request to record: the service every hosted call goes through, and its journal.

What belongs here puts providers, moderation, metering and provenance together in the order that no crash can break.
What must not: a vendor's wire, SQL beside the journal's, nodes, and jobs as an orchestrator knows them.
"""
