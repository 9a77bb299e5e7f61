"""Settings of the receiver of RTP."""

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from pipeline.settings.section import Section
from pipeline.settings.token import Token


class RtpSettings(Section):
    """The receiver of RTP from media servers such as mediasoup and Janus."""

    host: str = Field("127.0.0.1", description="address on which RTP packets arrive")
    first_port: int = Field(20_000, ge=1, le=65_535, description="first UDP port for RTP packets")
    last_port: int = Field(20_999, ge=1, le=65_535, description="last UDP port for RTP packets")
    http_host: str = Field("127.0.0.1", description="address of the HTTP API with which your app names the streams")
    http_port: int = Field(8091, ge=0, le=65_535, description="port of this API; 0: any free port")
    tokens: tuple[Token, ...] = Field(
        (), description="bearer tokens for this API, 16 characters or more; set them in the environment"
    )
    gateway_url: str = Field(
        "ws://127.0.0.1:8765", pattern="^wss?://", description="URL of the gateway that takes the audio"
    )
    gateway_token: Token | None = Field(
        None, description="token for the gateway; unset: the first one of gateway.tokens"
    )
    jitter_seconds: PositiveFloat = Field(
        0.1, le=1, description="seconds for which packets wait for a missing one before it counts as lost"
    )
    max_streams: PositiveInt = Field(500, description="maximum streams of this process")
    max_packets_per_second: PositiveInt = Field(
        200, description="maximum packets per second and stream; at 20 ms a stream has 50"
    )

    @model_validator(mode="after")
    def _check(self) -> "RtpSettings":
        if self.last_port < self.first_port:
            raise ValueError("rtp.last_port is lower than rtp.first_port")
        return self
