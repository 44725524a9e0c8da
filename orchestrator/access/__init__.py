"""Who may do what and how much of it, and what was done: API keys, their limits, and the audit log.

No HTTP here: the API hands in a header and an address, and takes out a :class:`~.caller.Caller` or an error. What money
may be spent is the ledger's to say; a key's daily spend is a budget there.
"""
