"""Settings of the second reader: where it is, what it is asked, and what it may cost."""

from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, PositiveFloat, PositiveInt, SecretStr, model_validator

from pipeline.base.ip_addresses import is_address, is_private
from pipeline.settings.section import Section

OWN_FIELDS = frozenset({"model", "messages", "stream", "n"})
"""Fields of a request that `extra` may not change."""


class ReaderSettings(Section):
    """A language model with an OpenAI-compatible API, which is asked about unsure utterances."""

    url: str | None = Field(
        None,
        pattern="^https?://[^/?#@]+(/[^?#]*)?$",
        description="base URL of the API, e.g. https://api.example.com/v1; unset: there is no second reader",
    )
    plain_http: bool = Field(
        False, description="allow http:// without TLS; only to this machine or to private addresses"
    )
    model: str = Field("", max_length=256, description="name of the model at the API")
    api_key: SecretStr | None = Field(None, description="API key; set it in the environment")
    from_risk: float = Field(0.2, ge=0, le=1, description="lowest risk of an utterance that is asked about")
    to_risk: float = Field(0.7, ge=0, le=1, description="highest risk of an utterance that is asked about")
    suggestions: tuple[Literal["pass", "review"], ...] = Field(
        ("pass", "review"), min_length=1, description="suggestions of the utterances that are asked about"
    )
    context: bool = Field(True, description="send the speaker's own words of the last 20 s, too")
    seconds: PositiveFloat = Field(5.0, le=10, description="seconds within which the API must answer")
    parallel: int = Field(8, ge=1, le=64, description="maximum requests at once, of each process")
    per_minute: PositiveInt = Field(60, description="maximum requests in a minute, of each process")
    per_day: PositiveInt = Field(10_000, le=1_000_000, description="maximum requests in 24 hours, of each process")
    room_share: float = Field(0.25, gt=0, le=1, description="share of both limits that one room may use")
    speaker_share: float = Field(0.1, gt=0, le=1, description="share of both limits that one speaker may use")
    stale_seconds: PositiveFloat = Field(
        60.0, description="an utterance whose flag has waited longer is not asked about"
    )
    answer_tokens: PositiveInt = Field(200, le=4_096, description="maximum tokens of an answer: `max_tokens`")
    response_format: Literal["json_object", "json_schema", "text"] = Field(
        "json_object", description="how the API is made to answer in JSON: `response_format.type`; text: it is not"
    )
    extra: dict[str, JsonValue] = Field(
        {}, description="more fields of a request, e.g. {top_p: 1}; null takes a field of ours away"
    )

    @model_validator(mode="after")
    def _check(self) -> "ReaderSettings":
        if self.to_risk < self.from_risk:
            raise ValueError("to_risk is below from_risk")
        if fixed := sorted(OWN_FIELDS & self.extra.keys()):
            raise ValueError(f"extra cannot change {fixed[0]}")
        if self.url is None:
            return self
        if not self.model:
            raise ValueError("url needs the name of the model: reader.model")
        _check_address(self.url, self.plain_http)
        return self


def _check_address(url: str, plain_http: bool) -> None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError("the port of url is no number from 0 to 65535") from error
    if not host:
        raise ValueError("url names no host")
    if parts.scheme == "https":
        return
    if not plain_http:
        raise ValueError("url begins with http://: use https://, or set reader.plain_http for a server of your own")
    if is_address(host) and not is_private(host):
        raise ValueError(f"url is http:// at {host}, which is a public address: use https://")
