"""Tokens and their scopes."""

import pytest
from pydantic import SecretStr, ValidationError

from pipeline.base.errors import ConfigError
from pipeline.connect.api.access import ApiTokens, scope_of
from pipeline.settings import Api, ApiToken

BEARER = "a-token-of-the-tests"


def tokens() -> ApiTokens:
    return ApiTokens(Api(tokens=(ApiToken(token=SecretStr(BEARER), scopes=frozenset({"cases"})),)))


@pytest.mark.parametrize("header", [f"Bearer {BEARER}", f"bearer {BEARER} "])
def test_a_known_token_gives_its_program(header: str) -> None:
    program = tokens().program([header])
    assert program is not None
    assert (program.number, *program.scopes) == (0, "cases")


@pytest.mark.parametrize(
    "headers", [[], ["Bearer wrong"], ["Bearer "], [BEARER], [f"Basic {BEARER}"], [f"Bearer {BEARER}"] * 2]
)
def test_other_headers_give_none(headers: list[str]) -> None:
    assert tokens().program(headers) is None


def test_a_token_is_generated_on_loopback_only() -> None:
    made = ApiTokens(Api())
    assert made.generated
    program = made.program([f"Bearer {made.generated}"])
    assert program is not None
    assert program.scopes == {"moderate", "cases", "verdicts"}
    assert tokens().generated is None
    with pytest.raises(ConfigError, match="VOXWARDEN_API__TOKENS"):
        ApiTokens(Api(host="192.0.2.1"))


def test_a_short_token_or_an_unknown_scope_is_an_error() -> None:
    with pytest.raises(ValidationError, match="shorter than 16"):
        ApiToken(token=SecretStr("short"), scopes=frozenset({"cases"}))
    with pytest.raises(ValidationError):
        ApiToken.model_validate({"token": BEARER, "scopes": ["everything"]})
    with pytest.raises(ValidationError):
        ApiToken.model_validate({"token": BEARER, "scopes": []})


def test_each_path_has_its_scope() -> None:
    paths = ("/v1/moderations", "/v1/audio/moderations/1", "/v1/cases/2", "/v1/verdicts", "/v2")
    assert [scope_of(path) for path in paths] == ["moderate", "moderate", "cases", "verdicts", None]
