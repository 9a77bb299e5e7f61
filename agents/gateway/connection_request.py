"""Parse the URL of a connection: speaker, room and audio format.

/v1/rooms/{room}/speakers/{speaker}/audio?codec=pcm_s16le&sample_rate=48000&channels=1&room_type=default
/v1/livekit/egress?room=lobby&speaker=alice&token=...

LiveKit's track egress sends one microphone to a URL, and cannot send a header of ours. So names and token are in the
query, where logs keep them. For this reason, these tokens open only this path. The egress sends 16-bit PCM, 48 kHz
stereo, and digital silence while the track is muted.
"""

import re
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import parse_qsl, unquote

import msgspec
from msgspec import Meta, Struct

from agents.gateway.wire import Close, RefusalError
from pipeline.base.errors import InputError
from pipeline.base.network_access import TokenSet
from pipeline.contract.messages import Drill, Listeners, Name, Seconds, StreamCodec
from pipeline.speech.audio.stream_codecs import OPUS_RATE

PATH = re.compile(r"/v1/rooms/([^/]+)/speakers/([^/]+)/audio")
KEYS = (
    "Known keys are codec, sample_rate, channels, room_type, start, session, first_sample, listeners, "
    "attempt, identity_verified and drill."
)

EGRESS_PATH = "/v1/livekit/egress"
EGRESS_FORM = {"sample_rate": "48000", "channels": "2"}  # the format of the egress, unless the query names another one
EGRESS_FIELDS = (*EGRESS_FORM, "room", "speaker", "room_type", "listeners", "identity_verified", "drill")
EGRESS_KEYS = f"Known keys are token, {', '.join(EGRESS_FIELDS[:-1])} and {EGRESS_FIELDS[-1]}."


class Voice(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One speaker's audio stream."""

    room: Name
    speaker: Name
    room_type: Name = "default"
    listeners: Listeners | None = None
    """Number of people who can hear the room. Text frames update it."""
    identity_verified: bool | None = None
    """Whether the app has verified the speaker's identity. None: the app does not say."""
    drill: Drill = ""
    """Id of the drill that this audio belongs to."""
    codec: StreamCodec = "pcm_s16le"
    sample_rate: Annotated[int, Meta(ge=8_000, le=192_000)]
    channels: Annotated[int, Meta(ge=1, le=32)] = 1
    start: Seconds | None = None
    """When the first frame was spoken, in UTC seconds of the client's clock."""
    session: Annotated[str, Meta(min_length=8, max_length=64, pattern=r"^[!-~]*(?![\s\S])")] | None = None
    """Samples are numbered from 0 in a session. A client that names one is told how many samples are confirmed."""
    first_sample: Annotated[int, Meta(ge=0, lt=2**62)] = 0
    """Number of this connection's first sample in `session`."""
    attempt: Annotated[int, Meta(ge=0, lt=2**62)] = 0
    """Number of the client's attempt to connect in `session`. A larger one is newer, whenever it arrives."""

    def continues(self, other: "Voice") -> bool:
        """Whether the same stream of the same process sends both."""
        return self.session is not None and self.session == other.session


def voice_of_url(target: str) -> Voice:
    """Parse a request target, percent-encoded as UTF-8. Raises InputError, which never repeats a name."""
    path, _, query = target.partition("?")
    if not (match := PATH.fullmatch(path)):
        raise InputError("Unknown path", "Connect to /v1/rooms/{room}/speakers/{speaker}/audio.")
    fields = fields_of(query, KEYS)
    _check(fields)
    try:
        room, speaker = (unquote(part, errors="strict") for part in match.groups())
    except UnicodeDecodeError as error:
        raise InputError("A name is not UTF-8", "Percent-encode room and speaker as UTF-8.") from error
    return voice_of(fields | {"room": room, "speaker": speaker}, KEYS)


def fields_of(query: str, keys: str) -> dict[str, str]:
    """Split a query. Raises InputError, with `keys` as its remedy."""
    try:
        # Strict: else a part that cannot be parsed is left out, and the audio may be read in a wrong format.
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=16)
    except ValueError as error:
        raise InputError("The query cannot be read", keys) from error
    fields = dict(pairs)
    if len(fields) < len(pairs):  # `dict` has kept the last value, but the client may mean the first
        raise InputError("A query key is given twice", keys)
    return fields


def voice_of(fields: Mapping[str, str], keys: str) -> Voice:
    """Convert fields. Raises InputError, with `keys` as its remedy."""
    try:
        return msgspec.convert(fields, Voice, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(_plain(str(error)), keys) from error


def _check(fields: dict[str, str]) -> None:
    if "token" in fields:
        raise InputError("A token is in the URL, where logs would keep it", "Send it as Authorization: Bearer.")
    if reserved := fields.keys() & {"room", "speaker"}:
        raise InputError(f"{reserved.pop()} is in the query", "Put room and speaker into the path.")
    if "session" not in fields and (lone := fields.keys() & {"first_sample", "attempt"}):
        raise InputError(f"{lone.pop()} has no session", "Name the session in which it counts.")
    if fields.get("codec") == "opus":
        _check_opus(fields)
    elif "sample_rate" not in fields:
        raise InputError("No sample_rate", "Add it to the query, e.g. sample_rate=48000.")


def _check_opus(fields: dict[str, str]) -> None:
    if fields.setdefault("sample_rate", str(OPUS_RATE)) != str(OPUS_RATE):
        raise InputError("Opus needs sample_rate 48000", "Leave sample_rate out.")
    if fields.get("channels", "1") not in {"1", "2"}:
        raise InputError("Opus needs 1 or 2 channels", "Send one stream for each speaker.")


def _plain(reason: str) -> str:
    """Put the rule for a name into words. Other reasons stay as they are."""
    if "$.room`" in reason or "$.speaker`" in reason:
        return "Room and speaker must have 1 to 256 characters and no control character"
    return reason


def is_egress(target: str) -> bool:
    """Whether an egress sends to this request target."""
    return target.partition("?")[0] == EGRESS_PATH


def admit_egress(target: str, tokens: TokenSet) -> Voice:
    """Return whose audio an egress sends. Raises RefusalError without a valid token, and InputError for a bad query."""
    fields = fields_of(target.partition("?")[2], EGRESS_KEYS)
    if not tokens.holds(fields.pop("token", "")):
        raise RefusalError(Close.UNAUTHORIZED, "No valid token", "Add a token of gateway.egress_tokens to the query.")
    if fields.keys() - set(EGRESS_FIELDS):
        raise InputError("The query has an unknown key", EGRESS_KEYS)
    if not {"room", "speaker"} <= fields.keys():
        raise InputError("The query does not name room and speaker", EGRESS_KEYS)
    return voice_of(EGRESS_FORM | fields, EGRESS_KEYS)
