"""Who may connect: bearer tokens."""

import hmac
import ipaddress
import secrets
from collections.abc import Sequence

from pipeline.errors import ConfigError
from pipeline.settings import GatewaySettings


class Tokens:
    """The tokens that are accepted. `generated` is one made here because none was set; show it to the user once."""

    def __init__(self, settings: GatewaySettings) -> None:
        given = [token.get_secret_value() for token in settings.tokens]
        if not given and not _is_loopback(settings.host):
            raise ConfigError(
                f"The gateway on {settings.host} has no token, so that anyone could send audio",
                """Set one, e.g. VOXWARDEN_GATEWAY__TOKENS='["<long random text>"]'.""",
            )
        tokens = given or [secrets.token_urlsafe(24)]
        self.generated = None if given else tokens[0]
        self._accepted = [token.encode() for token in tokens]

    def accepts(self, headers: Sequence[str]) -> bool:
        """Whether the only `Authorization` header bears one; the time taken does not tell which, or how much of it."""
        if len(headers) != 1:
            return False
        scheme, _, token = headers[0].partition(" ")
        found = token.strip().encode(errors="surrogateescape")
        matches = [hmac.compare_digest(found, accepted) for accepted in self._accepted]
        return scheme.lower() == "bearer" and any(matches)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # another name: it may lead anywhere
        return False
