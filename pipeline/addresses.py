"""Tell apart the addresses on which a server listens."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only programs of this machine can reach a server on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # another name can resolve to any address
        return False
