"""The base class of all groups of settings."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr, create_model


class Section(BaseModel):
    """A group of settings. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def section_of(name: str, fields: Mapping[str, Any]) -> type[Section]:
    """A section whose keys come from the topology."""
    return create_model(name, __base__=Section, **fields)


# Minimum length of a token in characters. A shorter token could be guessed.
SHORTEST_TOKEN = 16


def _token(token: SecretStr) -> SecretStr:
    if len(token.get_secret_value()) < SHORTEST_TOKEN:
        made = "python -c 'import secrets; print(secrets.token_urlsafe(24))'"
        raise ValueError(f"a token is shorter than {SHORTEST_TOKEN} characters; create one with: {made}")
    return token


Token = Annotated[SecretStr, AfterValidator(_token)]
"""A bearer token with which a program authenticates."""
