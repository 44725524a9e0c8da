"""Which addresses, ports and URLs a caller may have us call. Pure.

What is asked for by name is checked again with the address that it is connected to:
``orchestrator/webhooks/targets.py`` and ``providers/guarding.py``.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from .errors import ForbiddenTarget

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

FORWARDED = (
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Port",
    "X-Forwarded-Server",
    "X-Original-Forwarded-For",
    "X-Real-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Envoy-External-Address",
    "True-Client-IP",
    "CF-Connecting-IP",
    "Fastly-Client-IP",
    "Fly-Client-IP",
    "Via",
)
"""What proxies say of themselves and of whom they serve. A request with one of these is not this machine's own, though
its connection is. A proxy may well say nothing at all."""

LONGEST_URL = 2048

_NEVER = [
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # link-local; clouds tell their machines' credentials at 169.254.169.254
        "168.63.129.16/32",  # Azure's host, on a public address
        "100.100.100.200/32",  # Alibaba's metadata
        "192.0.0.192/32",  # Oracle's metadata
        "224.0.0.0/4",
        "240.0.0.0/4",
        "::/128",
        "fd00:ec2::254/128",  # Amazon's metadata
        "fe80::/10",
        "ff00::/8",
        "2002::/16",  # 6to4 and Teredo: ways to any IPv4 address
        "2001::/32",
    )
]
"""Not even where private targets are allowed."""

_PRIVATE = [
    ipaddress.ip_network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT
        "127.0.0.0/8",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "::1/128",
        "fc00::/7",
    )
]
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
_NOT_GLOBAL_V6 = [
    ipaddress.ip_network(text)
    for text in ("2001::/23", "2001:db8::/32", "3fff::/20")  # special uses and documentation
]
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

_PORTS = frozenset({80, 443})
_OTHERS_PORTS = frozenset(
    # From 1024 on, those that the fetch standard refuses: services that can be talked into something over HTTP.
    {1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080}
)


def through_proxy(headers: Mapping[str, str]) -> bool:
    """Whether these headers say that somebody else is behind the connection."""
    return any(name in headers for name in FORWARDED)


def check_url(url: str, *, allow_private: bool = False) -> str:
    """The host of a URL that may be called, as far as can be told without asking anybody. Raises ForbiddenTarget."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise _forbidden("it cannot be read") from None
    if len(url) > LONGEST_URL or not url.isprintable() or " " in url or "\\" in url:
        raise _forbidden(f"it is longer than {LONGEST_URL} characters, or has some that a URL cannot have")
    if parts.scheme not in ("http", "https"):
        raise _forbidden("only http and https are called")
    if parts.username is not None or parts.password is not None:
        raise _forbidden("it has credentials in it")
    if not host:
        raise _forbidden("it has no host")
    _check_port(port if port is not None else 443 if parts.scheme == "https" else 80)
    _check_host(host, allow_private=allow_private)
    return host


def _check_port(port: int) -> None:
    if port not in _PORTS and (port < 1024 or port in _OTHERS_PORTS):
        raise _forbidden(f"port {port} is not for HTTP")


def _check_host(host: str, *, allow_private: bool) -> None:
    if ":" in host or not host.strip("0123456789."):
        check_address(host, allow_private=allow_private)
    name = host.rstrip(".").lower()
    if not allow_private and (name == "localhost" or name.endswith(".localhost")):
        raise _forbidden("it is this machine")


def check_address(text: str, *, allow_private: bool = False) -> None:
    """Raises ForbiddenTarget unless this is the one usual spelling of an address that may be called."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        # 2130706433, 127.1 and 0177.0.0.1 are 127.0.0.1 to some and a name to others.
        raise _forbidden("its address is not in the usual form") from None
    address = _meant(address)
    if _within(address, _NEVER):
        raise _forbidden("its address is never called")
    if not allow_private and not _is_public(address):
        raise _forbidden("its address is not a public one")


def _meant(address: Address) -> Address:
    """The IPv4 address that an IPv6 one only wraps, as it will be reached."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return not _within(address, _PRIVATE)
    return address in _GLOBAL_V6 and not _within(address, _NOT_GLOBAL_V6)


def _within(address: Address, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return any(address in network for network in networks)


def _forbidden(why: str) -> ForbiddenTarget:
    return ForbiddenTarget(
        f"The URL may not be called: {why}.",
        hint="Name a public http or https URL; for an intranet: MINTMARK_SERVICE_ALLOW_PRIVATE_TARGETS=1",
    )
