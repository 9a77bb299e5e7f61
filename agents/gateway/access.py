"""Accept or refuse connections by their tokens."""

import hmac
import secrets
from collections.abc import Iterable, Sequence

from pipeline.addresses import is_loopback
from pipeline.errors import ConfigError
from pipeline.settings import GatewaySettings


class TokenSet:
    """Some accepted tokens."""

    def __init__(self, tokens: Iterable[str]) -> None:
        self._accepted = [token.encode() for token in tokens]

    def holds(self, token: str) -> bool:
        """Whether `token` is accepted. The run time does not reveal a token."""
        given = token.encode(errors="surrogateescape")
        matches = [hmac.compare_digest(given, accepted) for accepted in self._accepted]
        return any(matches)


class Tokens(TokenSet):
    """The tokens of apps. If none is set, one is generated on loopback; show `generated` to the user once.

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
        super().__init__(tokens)

    def accepts(self, headers: Sequence[str]) -> bool:
        """Whether the only `Authorization` header holds an accepted token."""
        if len(headers) != 1:
            return False
        scheme, _, token = headers[0].partition(" ")
        return self.holds(token.strip()) and scheme.lower() == "bearer"
