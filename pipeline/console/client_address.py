"""The address from which a request comes, also behind proxies."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from fastapi import Request

OF_ONE_PERSON = 64
"""Bits of an IPv6 address that name a network. One person has all addresses in it."""


def network_of(request: Request, proxies: Sequence[IPv4Network | IPv6Network]) -> str:
    """Return the client's IPv4 address or IPv6 network; empty if it is unknown.

    Each proxy adds the address of its client at the end of X-Forwarded-For. A line counts only if one of `proxies`
    added it, because a client can write the rest.
    """
    found = _parsed(request.client.host) if request.client else None
    hops = ",".join(request.headers.getlist("x-forwarded-for")).split(",")
    while found and hops and any(found in proxy for proxy in proxies):
        before = _parsed(hops.pop())
        if before is None:
            break
        found = before
    return _network(found) if found else ""


def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text.strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _network(address: IPv4Address | IPv6Address) -> str:
    if isinstance(address, IPv4Address):
        return str(address)
    return str(ip_network((int(address), OF_ONE_PERSON), strict=False))
