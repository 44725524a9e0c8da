"""Which URLs may be called at all."""

from __future__ import annotations

import pytest

from mintmark.addresses import check_address, check_url
from mintmark.errors import ForbiddenTarget

PRIVATE = [
    "127.0.0.1",
    "127.8.9.10",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "203.0.113.1",
    "::1",
    "fc00::1",
    "fd12:3456::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::8.8.8.8",
    "::127.0.0.1",
    "2001:db8::1",
    "fec0::1",
    "5f00::1",
]
NEVER = [
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "169.254.170.2",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
    "fd00:ec2::254",
    "::ffff:169.254.169.254",
    "::ffff:0.0.0.0",
    "64:ff9b::169.254.169.254",
    "2002:7f00:1::1",
    "2002:a9fe:a9fe::1",
    "2001::1",
]
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "172.15.255.255",
    "172.32.0.1",
    "100.63.255.255",
    "100.128.0.1",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
]
OTHER_SPELLINGS = ["2130706433", "127.1", "0177.0.0.1", "127.0.0.01", "017700000001", "127.0.0.1.", "1.2.3.4.5", "."]


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_refused_unless_they_are_allowed(address: str) -> None:
    with pytest.raises(ForbiddenTarget, match="not a public one"):
        check_address(address)
    check_address(address, allow_private=True)


@pytest.mark.parametrize("address", NEVER)
def test_some_addresses_are_never_called(address: str) -> None:
    for allow_private in (False, True):
        with pytest.raises(ForbiddenTarget, match="never called"):
            check_address(address, allow_private=allow_private)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_called(address: str) -> None:
    check_address(address)
    check_url(f"https://[{address}]/" if ":" in address else f"https://{address}/")


@pytest.mark.parametrize("host", [*PRIVATE[:10], *NEVER[:10], *OTHER_SPELLINGS])
def test_such_hosts_are_refused_before_anybody_is_asked(host: str) -> None:
    with pytest.raises(ForbiddenTarget):
        check_url(f"http://{host}/hook")


@pytest.mark.parametrize("host", [each for each in (*PRIVATE, *NEVER) if ":" in each])
def test_so_are_they_in_brackets(host: str) -> None:
    with pytest.raises(ForbiddenTarget):
        check_url(f"http://[{host.replace('%', '%25')}]/hook")


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost/",
        "http://LOCALHOST./",
        "http://a.localhost/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "//example.com/",
        "example.com/hook",
        "",
        "http://",
        "http:///hook",
        "https://user@example.com/",
        "https://user:pass@example.com/",
        "https://@example.com/",
        "https://example.com:22/",
        "https://example.com:25/",
        "https://example.com:0/",
        "https://example.com:6000/",
        "https://example.com:10080/",
        "https://example.com:65536/",
        "https://example.com:port/",
        "https://example.com/a b",
        "https://example.com\\@127.0.0.1/",
        "https://example.com/\r\nX-More: 1",
        "https://example.com/\t",
        "https://[::1/",
        "https://example.com/" + "a" * 2048,
    ],
)
def test_what_is_no_plain_url_is_refused(url: str) -> None:
    with pytest.raises(ForbiddenTarget):
        check_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "http://example.com:80/hook?token=abc",
        "https://example.com:8443/",
        "HTTPS://EXAMPLE.COM/",
        "https://bücher.example/",
        "https://1password.com/",
        "https://example.com./",
    ],
)
def test_plain_urls_pass(url: str) -> None:
    check_url(url)


def test_an_intranet_s_names_pass_where_they_are_allowed() -> None:
    check_url("http://localhost:8080/hook", allow_private=True)
    check_url("http://10.0.0.5:8080/hook", allow_private=True)
    for spelling in OTHER_SPELLINGS:
        with pytest.raises(ForbiddenTarget):
            check_url(f"http://{spelling}/", allow_private=True)


def test_a_refusal_shows_nothing_of_the_url() -> None:
    with pytest.raises(ForbiddenTarget) as caught:
        check_url("https://mia:password@example.com/?token=secret")
    assert "secret" not in str(caught.value)
    assert "password" not in str(caught.value)
