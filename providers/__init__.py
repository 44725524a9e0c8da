"""Hosted APIs, one file each over one shared HTTP client, and ``catalog``: what their models can do and cost.

What belongs here knows a vendor's wire and what is known of the charge when a call goes wrong. What must not: budgets,
holds, the journal, verdicts, and asking again what may have been paid for; ``generation`` does that.
"""
