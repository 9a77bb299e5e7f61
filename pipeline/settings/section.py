"""The base class of all groups of settings."""

from collections.abc import Mapping
from typing import Annotated, Any, get_args
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    create_model,
    field_validator,
)


class Section(BaseModel):
    """A group of settings. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _check_bool(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true and false for a number. YAML reads `yes` as true, and Pydantic would take that as 1."""
        kind = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and bool not in (kind, *get_args(kind)):
            raise ValueError("the value must not be yes, no, true or false")
        return value


def section_of(name: str, fields: Mapping[str, Any]) -> type[Section]:
    """A section whose keys come from the topology."""
    return create_model(name, __base__=Section, **fields)


# Minimum length of a token in characters. A shorter token could be guessed.
SHORTEST_TOKEN = 16


def _token(token: SecretStr) -> SecretStr:
    # Without spaces around it: a server leaves them out of a request's token, too.
    if len(token.get_secret_value().strip()) < SHORTEST_TOKEN:
        made = "python -c 'import secrets; print(secrets.token_urlsafe(24))'"
        raise ValueError(f"a token is shorter than {SHORTEST_TOKEN} characters; create one with: {made}")
    return token


Token = Annotated[SecretStr, AfterValidator(_token)]
"""A bearer token with which a program authenticates."""


def checked_url(url: str) -> str:
    """Return the URL. Raises ValueError if nothing could listen there."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:  # its text could show a password
        usable = False
    if not usable:
        raise ValueError("the URL has no host, or a port that is no number from 1 to 65535")
    return url


Url = Annotated[str, AfterValidator(checked_url)]
HttpUrl = Annotated[str, Field(pattern="^https?://"), AfterValidator(checked_url)]
"""The address of a service."""
