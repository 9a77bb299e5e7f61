"""Accept or refuse connections by their bearer tokens."""

import hmac
import secrets
from collections.abc import Sequence

from pipeline.addresses import is_loopback
from pipeline.errors import ConfigError
from pipeline.settings import GatewaySettings


class Tokens:
    """The accepted tokens. If none is set, one is generated on loopback; show `generated` to the user once.

    Raises ConfigError if no token is set and the address is not loopback.
    """

    def __init__(self, settings: GatewaySettings) -> None:
        given = [token.get_secret_value() for token in settings.tokens]
        if not given and not is_loopback(settings.host):
            raise ConfigError(
                f"The gateway on {settings.host} has no token, so anyone could send audio",
                """Set one, e.g. VOXWARDEN_GATEWAY__TOKENS='["<long random text>"]'.""",
            )
        tokens = given or [secrets.token_urlsafe(24)]
        self.generated = None if given else tokens[0]
        self._accepted = [token.encode() for token in tokens]

    def accepts(self, headers: Sequence[str]) -> bool:
        """Whether the only `Authorization` header holds an accepted token. Its run time does not reveal a token."""
        if len(headers) != 1:
            return False
        scheme, _, token = headers[0].partition(" ")
        found = token.strip().encode(errors="surrogateescape")
        matches = [hmac.compare_digest(found, accepted) for accepted in self._accepted]
        return scheme.lower() == "bearer" and any(matches)
