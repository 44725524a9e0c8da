"""Money: prices (pure), the ledger and its budgets. No hosted call is made here, and nothing here knows a provider."""
