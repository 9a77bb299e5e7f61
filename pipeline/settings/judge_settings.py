"""Settings of the judge stage: classifier, lexicons, policies."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    Field,
    JsonValue,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    field_validator,
    model_validator,
)

from pipeline.base.network_access import is_address, is_private
from pipeline.contract.messages import OF_YAMNET, EventKind
from pipeline.settings.section import Section, checked_url


class JudgeSettings(Section):
    """Classification of transcripts, and the policies."""

    model: str | None = Field(
        None, description="classifier: a folder or a hub id (owner/name@commit); unset: the shipped one"
    )
    label_map: Path | None = Field(
        None, description="YAML file that maps the labels of `model` to the labels of Voxwarden"
    )
    policy: str = Field("default", description="name of a file in configs/policies, or a path")
    lexicons: tuple[str, ...] = Field(("en", "zh"), description="language codes, or paths of lexicons")
    labels: Path | None = Field(None, description="file of label definitions; unset: configs/labels.yaml")
    shadow_policies: tuple[str, ...] = Field(
        (), description="policies whose suggestions are counted in metrics but never delivered"
    )
    shadow_model: str | None = Field(
        None, description="another classifier, as in `model`; its suggestions are only counted in metrics"
    )
    shadow_model_policy: str | None = Field(
        None, description="policy for the scores of `shadow_model`, as in `policy`; unset: the active one"
    )


OWN_FIELDS = frozenset({"model", "messages", "stream", "n"})  # fields of a request that `extra` may not change


class ReaderSettings(Section):
    """A language model with an OpenAI-compatible API, which is asked about unsure utterances."""

    url: Annotated[str, Field(pattern="^https?://[^/?#@]+(/[^?#]*)?$"), AfterValidator(checked_url)] | None = Field(
        None,
        description="base URL of the API, e.g. https://api.example.com/v1; unset: there is no second reader",
    )
    plain_http: bool = Field(
        False, description="allow http:// without TLS; only to this machine or to private addresses"
    )
    model: str = Field("", max_length=256, description="name of the model at the API")
    api_key: SecretStr | None = Field(None, description="API key; set it in the environment")
    from_risk: float = Field(
        0.2, ge=0, le=1, description="lowest risk of an utterance that the policy passes and that is asked about"
    )
    context: bool = Field(True, description="send the speaker's own words of the last 20 s, too")
    seconds: PositiveFloat = Field(5.0, le=10, description="seconds within which the API must answer")
    per_minute: PositiveInt = Field(60, description="maximum requests in a minute, of each process")
    per_day: PositiveInt = Field(10_000, le=1_000_000, description="maximum requests in 24 hours, of each process")
    stale_seconds: PositiveFloat = Field(
        60.0, description="an utterance whose flag has waited longer is not asked about"
    )
    response_format: Literal["json_object", "json_schema", "text"] = Field(
        "json_object", description="how the API is made to answer in JSON: `response_format.type`; text: it is not"
    )
    extra: dict[str, JsonValue] = Field(
        {}, description="more fields of a request, e.g. {top_p: 1}; null takes a field of ours away"
    )

    @model_validator(mode="after")
    def _check(self) -> "ReaderSettings":
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
        _ = parts.port  # a property that raises for a port out of range
    except ValueError as error:
        raise ValueError("the port of url is no number from 0 to 65535") from error
    if not host:
        raise ValueError("url names no host")
    if parts.scheme == "https":
        return
    if not plain_http:
        raise ValueError("url begins with http://: use https://, or set reader.plain_http for a server of your own")
    # A name may have a private address, which only the network knows. A public address is surely wrong.
    if is_address(host) and not is_private(host):
        raise ValueError(f"url is http:// at {host}, which is a public address: use https://")


class ListenSettings(Section):
    """What the listen stage recognises."""

    sounds: tuple[EventKind, ...] = Field(
        (), description="sounds to recognise beside banned recordings, e.g. [howl, clipping]; each costs CPU"
    )
    yamnet: Path | None = Field(
        None, description="the file of YAMNet, which scream, moan, crying and gunshot need (docs/sounds.md)"
    )
    ear: str | None = Field(
        None,
        description="a second ear: a transformers audio classifier, as a folder or a hub id (owner/name@commit); "
        "unset: none",
    )
    ear_label_map: Path | None = Field(
        None, description="YAML file that maps the labels of `ear` to the labels of Voxwarden"
    )
    ear_seconds: int = Field(6, ge=2, le=16, description="length of the windows that `ear` hears; they overlap by half")
    ear_floor: float = Field(
        0.5, ge=0, le=1, description="scores of `ear` below this are not sent; not above the lowest limit of a policy"
    )

    dead_air_seconds: int = Field(
        60, ge=15, le=600, description="seconds in which nobody in a room is audible before dead_air is reported"
    )

    @field_validator("sounds")
    @classmethod
    def _once(cls, sounds: tuple[EventKind, ...]) -> tuple[EventKind, ...]:
        if len({*sounds}) < len(sounds):
            raise ValueError("sounds lists a sound twice")
        return sounds

    @model_validator(mode="after")
    def _hears_all(self) -> "ListenSettings":
        if self.yamnet is None and (unheard := [sound for sound in self.sounds if sound in OF_YAMNET]):
            raise ValueError(
                f"sounds has {' and '.join(unheard)}, which YAMNet hears: name its file in listen.yamnet "
                "(docs/sounds.md has the command that downloads it)"
            )
        return self
