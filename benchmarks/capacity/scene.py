"""Rooms with open microphones: the speech of people in the benchmark of capacity, and its costs."""

from typing import Literal

from msgspec import Struct

from pipeline.contract.topology import STAGES

SHARE = 0.4
"""Share of the time in which somebody speaks, in each conversation."""
HANGOVER_SECONDS = 1.0
"""An app with silence suppression sends this much silence after speech."""

GATEWAY, BROKER = "gateway", "broker"
ROLES = (GATEWAY, *(stage.name for stage in STAGES))

Codec = Literal["opus", "pcm"]
FRAME_SECONDS: dict[Codec, float] = {"opus": 0.02, "pcm": 0.1}
"""Length of a frame: as WebRTC sends it, and as the client of docs/integrate.md does."""


class LoadScene(Struct, frozen=True):
    """The rooms and the people in them. Their microphones send nothing in silence, except the `steady` ones."""

    rooms: int = 0
    microphones: int = 1
    """Open microphones in each room."""
    talks: int = 1
    """Conversations in each room. In each of them, one person at a time says a sentence; the next one is any other."""
    steady: int = 0
    """Microphones in each room that send frames of silence all the time."""
    codec: Codec = "opus"
    flagged: float = 0.1
    """Share of the sentences that break the rules."""
    push_to_talk: bool = False
    """The app tells the end of each sentence, and sends no silence after it."""

    @property
    def hangover(self) -> float:
        """Seconds of silence after a sentence."""
        return 0.0 if self.push_to_talk else HANGOVER_SECONDS

    def __str__(self) -> str:
        open_ = self.microphones + self.steady
        silent = f", {self.steady} of them send silence" if self.steady else ""
        return f"{self.rooms} rooms, {open_} open microphones each{silent}, {self.talks} talks each, {self.codec}"


class Sent(Struct, frozen=True):
    """The audio of the microphones in the time of measurement."""

    seconds: float
    """Length of this time."""
    speech: float
    """Seconds of speech, over all microphones."""
    sending: float
    """Seconds in which a microphone sent frames, over all microphones."""
    flagged: int
    """Sentences that break the rules."""


class Observation(Struct, frozen=True):
    """The costs of one scene."""

    scene: LoadScene
    sent: Sent
    processes: dict[str, int]
    """Number of processes of each role."""
    cpu: dict[str, float]
    """CPU seconds of each role, and of the broker."""
    bytes: dict[str, int]
    """Bytes that each topic grew on the broker's disk, and those of the clips (`evidence`)."""
    utterances: int
    flags: int
    """Utterances with a suggestion other than pass."""
    delays: tuple[float, float, float]
    """From the end of speech to its flag in `voice.flags`: the 50th, 95th and 99th percentile, in seconds."""
    load: float
    """The machine's load average (1 min) when the scene began."""
