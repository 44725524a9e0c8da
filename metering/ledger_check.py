"""Whether the books are even: every kept number against the entries it sums up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .ledger_usage import counted

if TYPE_CHECKING:
    from ..storage.base import Session

_CHECKS = {
    "an account's balance is not the sum of its entries": """
        SELECT account AS who FROM (
            SELECT to_account AS account, microusd FROM transfers
            UNION ALL SELECT from_account, -microusd FROM transfers
            UNION ALL SELECT account, -balance FROM balances
        ) AS moves WHERE account LIKE '%:%' AND account NOT LIKE 'spent:%' GROUP BY account HAVING sum(microusd) <> 0
        """,
    "an allowance's taken amount is not what it got and did not give back": """
        SELECT a.allowance_id AS who FROM allowances a LEFT JOIN (
            SELECT allowance_id, sum(CASE
                WHEN from_account = a_source OR from_account = 'funds' THEN microusd
                WHEN to_account = a_source OR to_account = 'funds' THEN -microusd ELSE 0 END) AS net
            FROM (SELECT t.*, b.source AS a_source
                  FROM transfers t JOIN allowances b ON b.allowance_id = t.allowance_id)
                 AS each_one GROUP BY allowance_id
        ) AS n ON n.allowance_id = a.allowance_id WHERE a.taken <> coalesce(n.net, 0)
        """,
    "a closed allowance has something left": """
        SELECT a.allowance_id AS who FROM allowances a JOIN balances b ON b.account = 'allowance:' || a.allowance_id
        WHERE a.closed = 1
        """,
    "an unknown call's hold is not its amount": """
        SELECT c.call_id AS who FROM calls c LEFT JOIN balances b ON b.account = 'hold:' || c.call_id
        WHERE coalesce(b.balance, 0) <> CASE c.kind WHEN 'unknown' THEN c.microusd ELSE 0 END
        """,
    "a call's charge is not the sum of its entries": """
        SELECT c.call_id AS who FROM calls c LEFT JOIN (
            SELECT call_id, sum(CASE WHEN to_account LIKE 'spent:%' THEN microusd
                                     WHEN from_account LIKE 'spent:%' THEN -microusd ELSE 0 END) AS net
            FROM transfers WHERE call_id IS NOT NULL GROUP BY call_id
        ) AS n ON n.call_id = c.call_id
        WHERE coalesce(n.net, 0) <> CASE c.kind WHEN 'unknown' THEN 0 ELSE c.microusd END
        """,
    "an account's credit is not the sum of its lots": """
        SELECT a.account AS who FROM credit_accounts a LEFT JOIN balances b ON b.account = a.account
        WHERE coalesce(b.balance, 0)
           <> (SELECT coalesce(sum(left_microusd), 0) FROM credit_lots l WHERE l.account = a.account)
        """,
    "a day's sums are not those of its calls": """
        SELECT day AS who FROM (
            SELECT day, calls, images, cached, microusd, unknown_microusd FROM daily
            UNION ALL
            SELECT substr(at, 1, 10), -1, -images, -cached, CASE kind WHEN 'unknown' THEN 0 ELSE -microusd END,
                   CASE kind WHEN 'unknown' THEN -microusd ELSE 0 END FROM calls
        ) AS sums GROUP BY day
        HAVING sum(calls) <> 0 OR sum(images) <> 0 OR sum(cached) <> 0 OR sum(microusd) <> 0
            OR sum(unknown_microusd) <> 0
        """,
}
_USAGE = """
SELECT b.budget_id, b.scope, b.scope_value, b.period, u.period_start, u.taken
FROM budgets b JOIN budget_usage u ON u.budget_id = b.budget_id
"""


def problems(db: Session) -> list[str]:
    """See :meth:`Ledger.problems`."""
    found = [f"{what}: {row['who']}" for what, sql in _CHECKS.items() for row in db.run(sql)]
    for row in db.run(_USAGE):
        real = counted(db, row["scope"], row["scope_value"], row["period"], row["period_start"])
        if real != row["taken"]:
            found.append(f"budget {row['budget_id']} {row['period_start']} counts {row['taken']}, it is {real}")
    return found
