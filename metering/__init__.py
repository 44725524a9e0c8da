"""Money: prices (pure), the ledger and its budgets, what it all comes to.

What belongs here reckons with and keeps amounts, in integer micro-dollars. No hosted call is made here, and nothing
here knows a provider's wire or what a picture shows.
"""
