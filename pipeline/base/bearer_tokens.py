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
