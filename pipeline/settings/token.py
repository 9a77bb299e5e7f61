"""The bearer tokens with which programs authenticate."""

from typing import Annotated

from pydantic import AfterValidator, SecretStr

SHORTEST_TOKEN = 16
"""Minimum length of a token in characters. A shorter token could be guessed."""


def _token(token: SecretStr) -> SecretStr:
    if len(token.get_secret_value()) < SHORTEST_TOKEN:
        made = "python -c 'import secrets; print(secrets.token_urlsafe(24))'"
        raise ValueError(f"a token is shorter than {SHORTEST_TOKEN} characters; create one with: {made}")
    return token


Token = Annotated[SecretStr, AfterValidator(_token)]
"""A bearer token with which a program authenticates."""
