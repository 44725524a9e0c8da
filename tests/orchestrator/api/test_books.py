"""What the service tells of models, workers and money, and to whom."""

from __future__ import annotations

from mintmark.clock import utc_now
from mintmark.metering.budgets import Budget
from mintmark.metering.ledger import Account, Posting
from mintmark.providers.models import Catalog

from .stand_in import House


def bearer(house: House, *scopes: str, project: str = "acme", user: str = "mia") -> dict[str, str]:
    _, token = house.service.access.keys.create(scopes=scopes, project=project, user=user)
    return {"Authorization": f"Bearer {token}"}


async def test_models_are_listed_with_price_and_limits_in_pages(house: House) -> None:
    names, cursor = [], ""
    while cursor is not None:
        _, page, _ = await house.ask("GET", f"/v1/models?limit=7{f'&cursor={cursor}' if cursor else ''}")
        names += [each["name"] for each in page["models"]]
        cursor = page["next"]
    assert names == sorted(names) and len(names) == len(set(names)) > 7
    _, page, _ = await house.ask("GET", "/v1/models?task=upscale&provider=fal")
    assert page["models"] and all("upscale" in each["tasks"] and each["here"] for each in page["models"])
    assert set(names) <= {each.name for each in Catalog.load().list()}


def spend(house: House, project: str, microusd: int) -> None:
    account = Account(project=project, user="mia")
    job_id = f"job-{project}"
    house.service.ledger.allow(job_id, microusd, account)
    posting = Posting(
        call_id=f"call-{project}",
        job_id=job_id,
        kind="settled",
        microusd=microusd,
        provider="fal",
        model="fal/flux-dev",
        request_id=None,
        at=utc_now(),
    )
    house.service.ledger.post([posting])


async def test_an_admin_sees_everybodys_spend_and_others_their_own(house: House) -> None:
    spend(house, "acme", 700)
    spend(house, "globex", 300)
    admin, reader = bearer(house, "admin"), bearer(house, "read")
    _, usage, _ = await house.ask("GET", "/v1/usage?by=project", headers=admin)
    assert {each["key"]: each["microusd"] for each in usage["lines"]} == {"acme": 700, "globex": 300}
    _, usage, _ = await house.ask("GET", "/v1/usage?by=project", headers=reader)
    assert {each["key"]: each["microusd"] for each in usage["lines"]} == {"acme": 700}
    status, problem, _ = await house.ask("GET", "/v1/usage?by=model", headers=reader)
    assert (status, problem["code"]) == (403, "not_allowed")


async def test_budgets_are_shown_to_whom_they_concern(house: House) -> None:
    for project in ("acme", "globex"):
        house.service.ledger.set_budget(Budget("project", project, "month", 1_000_000))
    _, found, _ = await house.ask("GET", "/v1/budgets", headers=bearer(house, "read"))
    (budget,) = found["budgets"]
    assert (budget["value"], budget["limit_microusd"], budget["left_microusd"]) == ("acme", 1_000_000, 1_000_000)
    _, found, _ = await house.ask("GET", "/v1/budgets", headers=bearer(house, "admin"))
    assert {each["value"] for each in found["budgets"]} == {"acme", "globex"}


async def test_a_budget_that_is_used_up_refuses_an_order(house: House) -> None:
    house.service.ledger.set_budget(Budget("overall", "", "total", 1))
    body = {"inputs": {"prompt": "x"}}
    status, problem, _ = await house.ask("POST", "/v1/workflows/text-to-image/runs", json=body)
    assert (status, problem["code"]) == (402, "budget_exceeded")


async def test_the_audit_log_is_for_admins_and_paged(house: House) -> None:
    admin, reader = bearer(house, "admin"), bearer(house, "read")
    assert (await house.ask("GET", "/v1/audit", headers=reader))[0] == 403
    _, page, _ = await house.ask("GET", "/v1/audit?limit=1", headers=admin)
    assert [each["action"] for each in page["entries"]] == ["key.created"]
    _, rest, _ = await house.ask("GET", f"/v1/audit?cursor={page['next']}", headers=admin)
    assert len(rest["entries"]) == 1 and rest["next"] is None
