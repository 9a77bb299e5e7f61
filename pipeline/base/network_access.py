"""Who may reach a server: programs of this machine or of a private network, and programs with a bearer token."""

import hmac
import ipaddress
import secrets
from collections.abc import Iterable, Sequence

from pipeline.base.errors import ConfigError

NAT64 = ipaddress.ip_network("64:ff9b::/96")


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


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet. It may end in `%` and the name of an interface."""
    found = ipaddress.ip_address(address.partition("%")[0])
    # Some IPv6 addresses hold an IPv4 address, which may be a private one.
    holds = isinstance(found, ipaddress.IPv6Address) and (
        found.ipv4_mapped or found.sixtofour or found.teredo or found in NAT64
    )
    return found.is_global and not found.is_multicast and not holds


class TokenSet:
    """Some accepted tokens."""

    def __init__(self, tokens: Iterable[str]) -> None:
        self._accepted = [token.encode() for token in tokens]

    def holds(self, token: str) -> bool:
        """Whether `token` is accepted."""
        given = token.encode(errors="surrogateescape")  # a header may have bytes that are not UTF-8
        # In constant time, and with all tokens. So the run time does not tell how near a guess was.
        matches = [hmac.compare_digest(given, accepted) for accepted in self._accepted]
        return any(matches)

    def accepts(self, headers: Sequence[str]) -> bool:
        """Whether the only `Authorization` header holds an accepted token."""
        if len(headers) != 1:  # a proxy in front may have checked the other one
            return False
        scheme, _, token = headers[0].partition(" ")
        return self.holds(token.strip()) and scheme.lower() == "bearer"


class ServerTokens(TokenSet):
    """The tokens of a server on `host`. If none is given, one is generated on loopback; show `generated` once.

    Raises ConfigError with `refusal` (problem and remedy) if none is given and the address is not loopback.
    """

    def __init__(self, tokens: Sequence[str], host: str, refusal: tuple[str, str]) -> None:
        if not tokens and not is_loopback(host):
            raise ConfigError(*refusal)
        self.generated = None if tokens else secrets.token_urlsafe(24)
        super().__init__(tokens or [self.generated or ""])
