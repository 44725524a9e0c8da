"""Where a key may travel: hosts of the vendor's own, by https, and nothing that only looks like one."""

from __future__ import annotations

import pytest

from mintmark.providers.bfl import Bfl
from mintmark.providers.fal import Fal
from mintmark.providers.hosts import Hosts, below
from mintmark.providers.replicate import Replicate

LIVE = [Fal.live, Bfl.live, Replicate.live]
OWN = ["queue.fal.run", "api.eu2.bfl.ai", "api.replicate.com"]
CASES = list(zip(LIVE, OWN, strict=True))


@pytest.mark.parametrize(("hosts", "own"), CASES, ids=OWN)
def test_own_hosts_are_known_however_they_are_written(hosts: Hosts, own: str) -> None:
    for url in (
        f"https://{own}/x",
        f"https://{own}:443/x",
        f"HTTPS://{own.upper()}/x",
        f"https://{own}?q=@evil.example",
    ):
        assert hosts.is_api(url), url


@pytest.mark.parametrize(("hosts", "own"), CASES, ids=OWN)
@pytest.mark.parametrize(
    "url",
    [
        "http://{own}/x",
        "https://{own}:8443/x",
        "https://{own}.evil.example/x",
        "https://evil.example/{own}",
        "https://evil.example#{own}",
        "https://evil.example?{own}",
        "https://{own}@evil.example/",
        "https://user@{own}/",
        "https://@{own}/",
        "https://:@{own}/",
        "https://evil.example\\@{own}/",
        "https://evil.example\\.{own}/",
        "https://evil.example\x00.{own}/",
        "https://evil.example%00.{own}/",
        "https://evil.example%2f.{own}/",
        "https://evil.example .{own}/",
        "https://evil.example／.{own}/",
        "https://evil.example。{own}/",
        "https://{own}。evil.example/",
        "https://éxample.{own}/",
        "https://.{own}/",
        "https://{own}./",
        "//{own}/x",
        "{own}/x",
        "ftp://{own}/x",
        "https://[::1]/{own}",
        "https://[{own}]/",
        "https://{own}:x/",
    ],
)
def test_what_only_looks_like_an_own_host_gets_no_key(hosts: Hosts, own: str, url: str) -> None:
    assert not hosts.is_api(url.replace("{own}", own))
    assert not hosts.is_media(url.replace("{own}", own))


def test_a_gateway_s_own_origin_is_trusted_port_and_all() -> None:
    gateway = Hosts("https://gate.example:8443/bfl")
    assert gateway.is_api("https://GATE.example:8443/elsewhere")
    for url in ("https://gate.example/bfl", "https://x.gate.example:8443/bfl", "http://gate.example:8443/bfl"):
        assert not gateway.is_api(url)


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://api.eu.bfl.ai", "https://api.eu.bfl.ai/v1"),
        ("https://api.eu.bfl.ai/", "https://api.eu.bfl.ai/v1"),
        ("https://api.eu.bfl.ai/v1/", "https://api.eu.bfl.ai/v1"),
        ("https://gate.example/bfl", "https://gate.example/bfl"),
    ],
)
def test_a_bare_host_gets_the_path_of_the_api(url: str, base: str) -> None:
    assert below(url, "/v1") == base
