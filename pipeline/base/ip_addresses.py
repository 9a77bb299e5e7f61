"""Tell whether a host is an IP address, and whether only this machine or a private network reaches it."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can reach a server on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # another name can resolve to any address
        return False


def is_address(host: str) -> bool:
    """Whether `host` is an IP address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_private(address: str) -> bool:
    """Whether an IP address belongs to this machine or to a private network. Raises ValueError for a name."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:  # ::ffff:10.0.0.1 reaches 10.0.0.1
        found = found.ipv4_mapped
    # Link-local addresses do not count: clouds serve the secrets of a machine at 169.254.169.254.
    return (found.is_private or found.is_loopback) and not (found.is_link_local or found.is_unspecified)
