"""Bearer tokens of programs."""

import hmac
import secrets
from collections.abc import Iterable, Sequence

from pipeline.base.errors import ConfigError
from pipeline.base.ip_addresses import is_loopback


class TokenSet:
    """Some accepted tokens."""

    def __init__(self, tokens: Iterable[str]) -> None:
        self._accepted = [token.encode() for token in tokens]

    def holds(self, token: str) -> bool:
        """Whether `token` is accepted. The run time does not reveal a token."""
        given = token.encode(errors="surrogateescape")
        matches = [hmac.compare_digest(given, accepted) for accepted in self._accepted]
        return any(matches)

    def accepts(self, headers: Sequence[str]) -> bool:
        """Whether the only `Authorization` header holds an accepted token."""
        if len(headers) != 1:
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
