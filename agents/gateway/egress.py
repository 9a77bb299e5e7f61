"""LiveKit's track egress: it sends one microphone to a URL, and cannot send a header of ours.

/v1/livekit/egress?room=lobby&speaker=alice&token=...

So names and token are in the query, where logs keep them. For this reason, these tokens open only this path. The egress
sends 16-bit PCM, 48 kHz stereo, and digital silence while the track is muted.
"""

from agents.gateway.close import Close, RefusalError
from agents.gateway.request import Voice, fields_of, voice_of
from pipeline.base.bearer_tokens import TokenSet
from pipeline.base.errors import InputError

PATH = "/v1/livekit/egress"
FORM = {"sample_rate": "48000", "channels": "2"}
"""The format of the egress, unless the query names another one."""
ALLOWED = (*FORM, "room", "speaker", "room_type", "listeners", "identity_verified", "drill")
KEYS = f"Known keys are token, {', '.join(ALLOWED[:-1])} and {ALLOWED[-1]}."


def is_egress(target: str) -> bool:
    """Whether a request target is that of an egress."""
    return target.partition("?")[0] == PATH


def admit(target: str, tokens: TokenSet) -> Voice:
    """Return whose audio an egress sends. Raises RefusalError without a valid token, and InputError for a bad query."""
    fields = fields_of(target.partition("?")[2], KEYS)
    if not tokens.holds(fields.pop("token", "")):
        raise RefusalError(Close.UNAUTHORIZED, "No valid token", "Add a token of gateway.egress_tokens to the query.")
    if fields.keys() - set(ALLOWED):
        raise InputError("The query has an unknown key", KEYS)
    if not {"room", "speaker"} <= fields.keys():
        raise InputError("The query does not name room and speaker", KEYS)
    return voice_of(FORM | fields, KEYS)
