"""Settings of the HTTP API for programs."""

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from pipeline.settings.section import Section, Token

Scope = Literal["moderate", "cases", "verdicts"]
"""What a token allows: send texts and recordings, read cases, read the stream of verdicts."""


class ApiToken(Section):
    """A token with what it allows."""

    token: Token = Field(description="bearer token of a program, 16 characters or more; set it in the environment")
    scopes: frozenset[Scope] = Field(description="moderate, cases, verdicts", min_length=1)


class Api(Section):
    """The HTTP API for programs."""

    host: str = Field("127.0.0.1", description="address on which the API listens")
    port: int = Field(8090, ge=0, le=65_535, description="port on which the API listens; 0: any free port")
    tokens: tuple[ApiToken, ...] = Field(
        (), description="tokens with their scopes: a list of {token, scopes}; set them in the environment"
    )
    max_audio_seconds: PositiveFloat = Field(14_400.0, description="maximum length of a recording in seconds")
    max_requests_per_second: PositiveFloat = Field(20.0, description="maximum requests per second and token")
    max_waiting: PositiveInt = Field(16, description="maximum requests of one token that wait for their answer")
    max_jobs: PositiveInt = Field(16, description="maximum recordings of one token that wait or are in work")
