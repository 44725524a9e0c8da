"""Keys over HTTP: who may do what, what is shown once, and whose jobs are whose."""

from __future__ import annotations

from urllib.parse import quote

from mintmark.orchestrator.api.app import every_route
from mintmark.orchestrator.api.routing import PATHS

from .stand_in import PNG, House
from .test_books import bearer

RUN = {"inputs": {"prompt": "x"}}
RUNS = "/v1/workflows/text-to-image/runs"
GUARDED = [route for route in every_route() if route.scope is not None]
OPEN = {"/healthz", "/readyz", "/openapi.json", "/docs", "/docs/{file}", "/v1/assets/{digest}"}


def test_only_these_routes_need_no_key() -> None:
    assert {route.path for route in every_route() if route.scope is None} == OPEN


async def test_without_a_key_nothing_is_read_or_done(house: House) -> None:
    bearer(house, "admin")
    values = {name: quote(part.example or "0" * 64, safe="") for name, part in PATHS.items()}
    for route in GUARDED:
        status, problem, headers = await house.ask(route.method, route.path.format(**values))
        assert status == 401, (route.path, problem)
        if not route.path.startswith("/openai/"):
            assert headers["WWW-Authenticate"].startswith("Bearer") and problem["code"] == "not_authenticated"


async def test_a_scope_that_is_missing_is_named(house: House) -> None:
    status, problem, _ = await house.ask("POST", RUNS, json=RUN, headers=bearer(house, "read"))
    assert (status, problem["code"]) == (403, "not_allowed") and "submit" in problem["detail"]
    assert problem["hint"].endswith("mintmark apikeys create NAME --scope submit --sandbox"), "as the service is one"


async def test_what_another_project_ordered_is_as_if_it_were_not_there(house: House) -> None:
    acme = bearer(house, "submit", "read", "review")
    globex = bearer(house, "submit", "read", "review", project="globex")
    _, made, _ = await house.ask("POST", RUNS, json=RUN, headers=acme)
    path = f"/v1/jobs/{made['job_id']}"
    for method, tail in (
        ("GET", ""),
        ("GET", "/events"),
        ("GET", "/ws"),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("DELETE", ""),
    ):
        assert (await house.ask(method, path + tail, headers=globex))[0] == 404
    assert (await house.ask("POST", f"{path}/outputs/0/accept", json={}, headers=globex))[0] == 404
    assert (await house.ask("GET", "/v1/jobs", headers=globex))[1]["jobs"] == []
    status, problem, _ = await house.ask("POST", RUNS, json={**RUN, "supersedes": made["job_id"]}, headers=globex)
    assert (status, problem["field"]) == (422, "supersedes")
    assert (await house.ask("GET", path, headers=acme))[1]["status"] == "queued"


async def test_one_keys_idempotency_key_is_nothing_to_another(house: House) -> None:
    made = set()
    for project in ("acme", "globex"):
        headers = {**bearer(house, "submit", project=project), "Idempotency-Key": "same"}
        made.add((await house.ask("POST", RUNS, json=RUN, headers=headers))[1]["job_id"])
    assert len(made) == 2


async def test_an_upload_is_its_keys_alone(house: House) -> None:
    from .test_files import picture

    mine, theirs = bearer(house, "submit", "read"), bearer(house, "submit", "read")
    _, made, _ = await house.ask("POST", "/v1/uploads", data=picture(), headers={**mine, "Content-Type": "image/png"})
    assert (await house.ask("GET", f"/v1/uploads/{made['sha256']}", headers=mine))[0] == 200
    assert (await house.ask("GET", f"/v1/uploads/{made['sha256']}", headers=theirs))[0] == 404


async def test_a_token_is_shown_once_also_to_a_repetition(house: House) -> None:
    admin = {**bearer(house, "admin"), "Idempotency-Key": "k"}
    body = {"scopes": ["submit"], "name": "app", "project": "acme", "user": "bot"}
    status, made, headers = await house.ask("POST", "/v1/keys", json=body, headers=admin)
    assert status == 201 and made["token"].startswith("mm_test_")
    _, again, told = await house.ask("POST", "/v1/keys", json=body, headers=admin)
    assert (again["key_id"], again["token"], told["Idempotent-Replayed"]) == (made["key_id"], None, "true")
    _, shown, _ = await house.ask("GET", headers["Location"], headers=admin)
    assert "token" not in shown and made["token"] not in str(shown)
    own = {"Authorization": f"Bearer {made['token']}"}
    assert (await house.ask("POST", RUNS, json=RUN, headers=own))[0] == 202


async def test_a_key_is_rotated_limited_and_revoked(house: House) -> None:
    admin = bearer(house, "admin")
    _, made, _ = await house.ask("POST", "/v1/keys", json={"scopes": ["read"]}, headers=admin)
    path = f"/v1/keys/{made['key_id']}"
    _, rotated, _ = await house.ask("POST", f"{path}/rotate", json={"grace_s": 0}, headers=admin)
    old, new = ({"Authorization": f"Bearer {each['token']}"} for each in (made, rotated))
    assert (await house.ask("GET", "/v1/jobs", headers=old))[0] == 401
    status, _, headers = await house.ask("GET", "/v1/jobs", headers=new)
    assert status == 200 and "RateLimit-Limit" not in headers
    await house.ask("POST", f"{path}/limits", json={"requests_per_minute": 1}, headers=admin)
    assert (await house.ask("GET", "/v1/jobs", headers=new))[2]["RateLimit-Remaining"] == "0"
    status, problem, headers = await house.ask("GET", "/v1/jobs", headers=new)
    assert (status, problem["code"]) == (429, "too_many_requests") and int(headers["Retry-After"]) > 0
    _, revoked, _ = await house.ask("DELETE", path, headers=admin)
    assert revoked["revoked_at"] is not None
    assert (await house.ask("GET", "/v1/jobs", headers=new))[0] == 401
    assert (await house.ask("GET", "/v1/keys/nobody", headers=admin))[0] == 404
    assert made["key_id"] in {each["key_id"] for each in (await house.ask("GET", "/v1/keys", headers=admin))[1]["keys"]}


async def test_webhooks_deliveries_are_listed_and_sent_again(house: House) -> None:
    body = {**RUN, "webhook_url": "https://example.com/hook?secret=1"}
    await house.ask("POST", RUNS, json=body)
    house.service.run_next(data=PNG)
    _, page, _ = await house.ask("GET", "/v1/webhooks/deliveries?state=waiting")
    (delivery,) = page["deliveries"]
    assert (delivery["type"], delivery["target"]) == ("job.succeeded", "example.com")
    assert "secret=1" not in str(page)
    path = f"/v1/webhooks/deliveries/{delivery['delivery_id']}"
    assert (await house.ask("GET", f"{path}/attempts"))[1] == {"attempts": []}
    assert (await house.ask("POST", f"{path}/replay"))[0] == 204
    assert (await house.ask("POST", "/v1/webhooks/deliveries/msg_none/replay"))[0] == 404
    status, secret, _ = await house.ask("POST", "/v1/webhooks/secret/rotate", json={})
    assert status == 201 and secret["secret"].startswith("whsec_")
