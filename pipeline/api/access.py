"""Who may call what: tokens with scopes."""

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

from pipeline.addresses import is_loopback
from pipeline.errors import ConfigError
from pipeline.settings import Api, Scope

OPEN = frozenset({"/healthz", "/openapi.json"})
"""Paths that need no token."""

SCOPES: tuple[tuple[str, Scope], ...] = (
    ("/v1/moderations", "moderate"),
    ("/v1/audio/", "moderate"),
    ("/v1/cases", "cases"),
    ("/v1/verdicts", "verdicts"),
)
"""The scope that a path needs, by the start of the path."""

EXAMPLE = """VOXWARDEN_API__TOKENS='[{"token": "<long random text>", "scopes": ["moderate"]}]'"""


@dataclass(frozen=True, slots=True)
class Program:
    """A program that calls the API. `number` is the place of its token in the settings."""

    number: int
    scopes: frozenset[Scope]


class ApiTokens:
    """The accepted tokens. If none is set, one with all scopes is generated on loopback; show `generated` once.

    Raises ConfigError if no token is set and the address is not loopback.
    """

    def __init__(self, settings: Api) -> None:
        known = [(each.token.get_secret_value(), each.scopes) for each in settings.tokens]
        if not known and not is_loopback(settings.host):
            raise ConfigError(
                f"The API on {settings.host} has no token, so anyone could use it", f"Set one: {EXAMPLE}."
            )
        self.generated = None if known else secrets.token_urlsafe(24)
        if self.generated:
            known = [(self.generated, frozenset(get_args(Scope)))]
        self._known = [(token.encode(), Program(number, scopes)) for number, (token, scopes) in enumerate(known)]

    def program(self, headers: Sequence[str]) -> Program | None:
        """Return whose token the only `Authorization` header holds. The run time does not reveal a token."""
        scheme, _, token = headers[0].partition(" ") if len(headers) == 1 else ("", "", "")
        given = token.strip().encode(errors="surrogateescape")
        found = [program for known, program in self._known if hmac.compare_digest(given, known)]
        return found[0] if found and scheme.lower() == "bearer" else None


def scope_of(path: str) -> Scope | None:
    """Return the scope that a path needs; None if every token will do."""
    return next((scope for start, scope in SCOPES if path.startswith(start)), None)
