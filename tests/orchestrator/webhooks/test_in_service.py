"""From an order with a key to a verified webhook, through the whole service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from standardwebhooks.webhooks import Webhook

from mintmark.orchestrator.access import audit
from mintmark.orchestrator.access.keys import KeyLimits
from mintmark.orchestrator.service.listening import own_address
from mintmark.tests.orchestrator.house import ServiceHouse, service_house

from .receiver import receiving


async def order(house: ServiceHouse, token: str, **more: Any) -> tuple[int, dict[str, Any], dict[str, str]]:
    body = {"prompt": "a red fox", "size": {"width": 256, "height": 256}, **more}
    headers = {"Authorization": f"Bearer {token}"}
    async with house.session.post(f"{house.url}/v1/images/generations", json=body, headers=headers) as reply:
        return reply.status, await reply.json(), dict(reply.headers)


async def test_a_keyed_order_is_delivered_signed_and_chained(tmp_path: Path) -> None:
    async with receiving() as receiver, service_house(tmp_path) as house:
        limits = KeyLimits(requests_per_minute=100, spend_per_day_microusd=10_000_000)
        keys = house.service.access.keys
        key, token = keys.create(scopes=["submit"], project="acme", user="mia", limits=limits)
        secret = house.service.webhooks.rotate_secret("acme")
        status, job, headers = await order(house, token, webhook_url=f"{receiver.url}/hook?token=t")
        assert status == 202, job
        assert headers["RateLimit-Remaining"] == "99"
        assert headers["Mintmark-Spend-Limit"] == "10.000000"
        assert 0 < float(headers["Mintmark-Spend-Remaining"]) < 10, "this order counts, too"
        [message] = await receiver.wait()
        told = Webhook(secret).verify(message.body, message.headers)
        assert (told["type"], told["data"]["job_id"]) == ("job.succeeded", job["job_id"])
        async with house.session.get(told["data"]["outputs"][0]["image_url"]) as picture:
            assert picture.status == 200
        await house.service.access.tend()
        chained = [entry for entry in audit.oldest(house.service.store) if entry.target == job["job_id"]]
        assert [entry.action for entry in chained] == ["job.accepted", "job.succeeded"]
        assert {entry.actor for entry in chained} == {f"key:{key.key_id}"}
        assert chained[1].data["outputs"][0]["decision"] == "allowed"


async def test_what_may_not_be_called_is_refused_with_its_code_before_anything_is_made(tmp_path: Path) -> None:
    names = ["http://169.254.169.254/latest", "http://127.0.0.1:9999/hook", "http://2130706433/", "http://[::1]/hook"]
    async with service_house(tmp_path, allow_private_targets=False) as house, receiving() as receiver:
        _, token = house.service.access.keys.create(scopes=["submit"], project="acme", user="mia")
        for url in names:
            status, problem, _ = await order(house, token, webhook_url=url)
            assert (status, problem["code"], problem["field"]) == (422, "forbidden_target", "webhook_url"), url
        picture = {"init_image_url": f"{receiver.url}/a.png", "strength": 0.5}
        status, problem, _ = await order(house, token, image_to_image=picture)
        assert (status, problem["code"]) == (422, "forbidden_target")
        assert receiver.got == []
        assert sum(house.service.jobs.counts().values()) == 0


@pytest.mark.parametrize("public", [None, "https://images.example"])
async def test_links_in_webhooks_never_begin_with_every_address(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, public: str | None
) -> None:
    async with service_house(tmp_path, host="0.0.0.0", public_base_url=public) as house, receiving() as receiver:
        port = house.url.rpartition(":")[2]
        body = {"prompt": "a red fox", "size": {"width": 256, "height": 256}, "webhook_url": receiver.url}
        async with house.session.post(f"http://127.0.0.1:{port}/v1/images/generations", json=body) as reply:
            assert reply.status == 202
        [message] = await receiver.wait()
        link = json.loads(message.body)["data"]["outputs"][0]["image_url"]
        warned = [record for record in caplog.records if record.action == "links_guessed"]
        if public is None:
            assert "0.0.0.0" not in link
            assert link.startswith(f"http://{own_address(v6=False)}:{port}/")
            assert "MINTMARK_SERVICE_PUBLIC_BASE_URL" in warned[0].getMessage()
        else:
            assert (link.startswith(public), warned) == (True, [])


async def test_a_limit_is_a_429_that_says_when_to_come_back(tmp_path: Path) -> None:
    async with service_house(tmp_path) as house:
        limits = KeyLimits(requests_per_minute=1)
        _, token = house.service.access.keys.create(scopes=["submit"], project="acme", user="mia", limits=limits)
        assert (await order(house, token))[0] == 202
        status, problem, headers = await order(house, token)
        assert (status, problem["code"]) == (429, "too_many_requests")
        assert 0 < int(headers["Retry-After"]) <= 60
        assert (headers["RateLimit-Limit"], headers["RateLimit-Remaining"]) == ("1", "0")
