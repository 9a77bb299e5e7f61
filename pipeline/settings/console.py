"""Settings of the web console."""

from ipaddress import IPv4Network, IPv6Network
from typing import Literal, Self

from pydantic import Field, PositiveFloat, SecretStr, model_validator

from pipeline.contract.messages import MAX_DURATION, TIMED, Action
from pipeline.settings.section import HttpUrl, Section, Token


class Oidc(Section):
    """Sign-in with OpenID Connect."""

    issuer: HttpUrl = Field(description="issuer URL of the provider, e.g. https://id.example.org")
    client_id: str = Field(description="client id of the console at the provider")
    client_secret: SecretStr | None = Field(None, description="client secret; set it in the environment")
    scopes: tuple[str, ...] = Field(("openid", "profile"), description="scopes that the console requests")
    name_claim: str = Field("preferred_username", description="claim that names the account")
    groups_claim: str = Field("groups", description="claim that lists the groups of the account")
    roles: dict[str, Literal["moderator", "lead", "auditor", "admin"]] = Field(
        description="role by group; a person in none of these groups is refused"
    )
    seconds: PositiveFloat = Field(10.0, description="seconds within which the provider must answer")


class Targets(Section):
    """Target time to decide a case, in seconds, by the severity of its label."""

    low: PositiveFloat = Field(14_400.0, description="seconds to decide a case of low severity")
    medium: PositiveFloat = Field(3_600.0, description="seconds to decide a case of medium severity")
    high: PositiveFloat = Field(900.0, description="seconds to decide a case of high severity")
    critical: PositiveFloat = Field(300.0, description="seconds to decide a case of critical severity")


class ReviewConsole(Section):
    """The web console for moderators."""

    host: str = Field("127.0.0.1", description="address on which the console listens")
    port: int = Field(8080, ge=0, le=65_535, description="port on which the console listens; 0: any free port")
    public_url: HttpUrl = Field(
        "http://127.0.0.1:8080", description="URL that browsers use; the OpenID provider redirects to it"
    )
    oidc: Oidc | None = Field(None, description="sign-in with OpenID Connect; unset: local accounts only")
    proxies: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="addresses or networks of your proxies; only their header X-Forwarded-For is believed"
    )
    undo_seconds: float = Field(
        10.0, ge=0, le=60, description="seconds in which a decision can be undone; its webhook is sent after them"
    )
    reads_speech: bool = Field(
        False, description="read voice.transcripts from Kafka, so that backtests of policies judge the last hours, too"
    )
    api_tokens: tuple[Token, ...] = Field(
        (), description="bearer tokens of apps that send appeals and reports; 16 characters or more"
    )
    targets_seconds: Targets = Targets()

    @property
    def is_secure(self) -> bool:
        """Whether browsers use https, so that they must keep its cookies for https alone."""
        return self.public_url.startswith("https://")


class LadderStep(Section):
    """The action that the console proposes at one strike."""

    action: Action = Field(description="warn, mute, remove or close_room")
    duration_seconds: float | None = Field(
        None, gt=0, le=MAX_DURATION, description="seconds of a mute or a removal; unset: your app decides"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.duration_seconds is not None and self.action not in TIMED:
            raise ValueError(f"{self.action} has no duration; only {' and '.join(TIMED)} have one")
        return self


Ladder = tuple[LadderStep, ...]


class MeasuresSettings(Section):
    """What the console proposes against a speaker: docs/console.md."""

    strike_days: PositiveFloat = Field(30.0, le=3_650, description="days for which a strike counts")
    ladder: Ladder = Field(
        (
            LadderStep(action="warn"),
            LadderStep(action="mute", duration_seconds=3_600),
            LadderStep(action="mute", duration_seconds=86_400),
        ),
        max_length=20,
        description="proposal at the first strike, the second and so on; the last one repeats; empty: none",
    )
    severities: dict[Literal["low", "medium", "high", "critical"], Ladder] = Field(
        {}, description="ladder of a severity (low, medium, high, critical), where it differs"
    )
    labels: dict[str, Ladder] = Field({}, description="ladder of a label, where it differs; it goes before severities")
    appeal_url: HttpUrl | None = Field(
        None, max_length=512, description="page for appeals in notices; unset: `in the app`"
    )
