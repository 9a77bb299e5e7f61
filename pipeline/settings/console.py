"""Settings of the web console."""

from ipaddress import IPv4Network, IPv6Network

from pydantic import Field, PositiveFloat, PositiveInt

from pipeline.settings.oidc import Oidc
from pipeline.settings.section import Section
from pipeline.settings.token import Token


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
    public_url: str = Field(
        "http://127.0.0.1:8080", description="URL that browsers use; the OpenID provider redirects to it"
    )
    oidc: Oidc | None = Field(None, description="sign-in with OpenID Connect; unset: local accounts only")
    secure_cookies: bool = Field(False, description="turn on if a proxy serves the console over https")
    proxies: tuple[IPv4Network | IPv6Network, ...] = Field(
        (), description="addresses or networks of your proxies; only theirs X-Forwarded-For is believed"
    )
    max_body_bytes: PositiveInt = Field(262_144, description="maximum bytes of a request body")
    lease_seconds: PositiveFloat = Field(
        300.0, description="seconds without activity after which a moderator's case returns to the queue"
    )
    longest_lease_seconds: PositiveFloat = Field(
        1_800.0, description="seconds after which a case returns to the queue although its moderator is active"
    )
    undo_seconds: float = Field(
        10.0, ge=0, le=60, description="seconds in which a decision can be undone; its webhook is sent after them"
    )
    assigned_seconds: PositiveFloat = Field(
        3_600.0, description="seconds in which an assigned case is offered to its person only, while the person is here"
    )
    escalated_seconds: PositiveFloat = Field(
        1_800.0, description="seconds after the escalation within which an escalated case should be decided"
    )
    reads_speech: bool = Field(
        False, description="read voice.transcripts from Kafka, so that backtests of policies judge the last hours, too"
    )
    poll_seconds: PositiveFloat = Field(0.15, description="seconds between two reads of news from the database")
    api_tokens: tuple[Token, ...] = Field(
        (), description="bearer tokens of apps that send appeals and reports; 16 characters or more"
    )
    targets_seconds: Targets = Targets()
