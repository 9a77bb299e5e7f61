"""The app's description of a stream: its speaker, and the packets that belong to it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, IPvAnyAddress

from pipeline.connect.rtp.codecs import TYPES, RtpCodec

NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
SpokenName = Annotated[str, Field(min_length=1, max_length=256, pattern=NO_CONTROL)]


class RtpMapping(BaseModel):
    """The body of a PUT."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    room: SpokenName = Field(description="the app's name of the room")
    speaker: SpokenName = Field(description="the app's name of the speaker")
    codec: RtpCodec = Field("opus", description="opus, pcma or pcmu")
    payload_type: int | None = Field(
        None, ge=0, le=127, description="packets of other types are dropped; unset: 8 for pcma, 0 for pcmu, from 96 on"
    )
    port: int | None = Field(None, ge=1, le=65_535, description="UDP port from rtp.first_port on; unset: a free one")
    ssrc: int | None = Field(None, ge=0, le=2**32 - 1, description="needed if several streams share the port")
    source: IPvAnyAddress | None = Field(
        None, description="IP address of the sender; unset: the sender of the first packet"
    )
    room_type: SpokenName = Field("default", description="type of the room, for the policy")
    identity_verified: bool | None = Field(None, description="whether the app has verified the speaker's identity")

    def accepts(self, payload_type: int) -> bool:
        """Whether packets of this type are speech in the codec."""
        if self.payload_type is not None:
            return payload_type == self.payload_type
        return payload_type in TYPES[self.codec]
