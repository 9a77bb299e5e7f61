"""Settings of the WebSocket gateway."""

from pydantic import Field, PositiveFloat, PositiveInt

from pipeline.settings.section import Section
from pipeline.settings.token import Token


class GatewaySettings(Section):
    """The WebSocket gateway."""

    host: str = Field("127.0.0.1", description="address on which the gateway listens")
    port: int = Field(8765, ge=0, le=65_535, description="port on which the gateway listens; 0: any free port")
    tokens: tuple[Token, ...] = Field(
        (), description="bearer tokens of clients, 16 characters or more; set them in the environment"
    )
    egress_tokens: tuple[Token, ...] = Field(
        (), description="tokens in the URLs of LiveKit's track egress, 16 characters or more; empty: no egress is taken"
    )
    closed_room_types: tuple[str, ...] = Field(
        (), description="room types whose audio is refused with code 4403 and never recorded"
    )
    max_connections: PositiveInt = Field(2_000, description="maximum open connections")
    max_frame_bytes: PositiveInt = Field(262_144, description="maximum bytes of one frame")
    max_bytes_per_second: PositiveInt = Field(
        400_000, description="maximum bytes per second and connection; PCM at 48 kHz stereo has 192,000"
    )
    max_frames_per_second: PositiveInt = Field(
        500, description="maximum frames per second and connection; Opus has at most 400 packets"
    )
    max_speed: float = Field(2.0, ge=1, description="maximum seconds of audio per second and connection")
    max_invalid_per_second: PositiveFloat = Field(5.0, description="maximum broken frames per second and connection")
    burst_seconds: PositiveFloat = Field(
        10.0, description="size of a burst after a network stall: seconds of audio, and of the other maximum rates"
    )
    gather_seconds: float = Field(0.2, ge=0, le=5, description="seconds of frames that are sent as one record")
    buffer_seconds: PositiveFloat = Field(
        5.0, description="maximum seconds of audio that wait for Kafka's confirmation, per connection"
    )
    buffer_bytes: PositiveInt = Field(
        67_108_864, description="maximum bytes that wait for Kafka's confirmation, in all connections together"
    )
    confirm_seconds: PositiveFloat = Field(
        10.0, description="seconds within which Kafka must confirm audio; else the connection is closed"
    )
    gap_seconds: PositiveFloat = Field(
        1.0, description="a stream that is this many seconds behind the clock jumps to the present time"
    )
    ping_seconds: PositiveFloat = Field(
        20.0, description="seconds of silence after which a client is pinged, and seconds it has to answer"
    )
    idle_seconds: PositiveFloat = Field(600.0, description="seconds without a frame after which a connection is closed")
