"""The status of utterances that have no flag or no flag yet, so that every utterance is accounted for.

An utterance ends with one flag, or with one status: `skipped` or `failed`. Nothing else ends it.

After each batch, the runners add the `statuses` of its outputs: one for each utterance that the stage cut, and one for
each that it rejected. The judge itself gives one for each utterance that was not heard.
"""

from collections.abc import Iterable
from uuid import uuid5

from msgspec import structs

from pipeline.contract.messages import (
    NAMESPACE,
    NO_MODEL,
    UNDETERMINED,
    Flag,
    SpeechState,
    SpeechStatus,
    Transcript,
    Utterance,
    origin,
)
from pipeline.contract.stage import Rejected
from pipeline.contract.topology import SPEECH, Stage


def skipped(transcript: Transcript) -> SpeechStatus:
    """Return the status of an utterance that was not heard."""
    if transcript.language == UNDETERMINED:
        return status_of(transcript, "skipped", "overload" if transcript.model == NO_MODEL else "no_words")
    return structs.replace(status_of(transcript, "skipped", "language"), language=transcript.language)


def status_of(message: Utterance | Transcript | Flag, state: SpeechState, reason: str = "") -> SpeechStatus:
    """Return the status of the message's utterance.

    A status other than `segmented` ends the work on the utterance, so it has the address of the audio.
    """
    utterance = message.id if isinstance(message, Utterance) else message.utterance
    return SpeechStatus(
        **origin(message),
        id=str(uuid5(NAMESPACE, f"status\x1f{utterance}\x1f{state}")),
        utterance=utterance,
        end=message.end,
        state=state,
        reason=reason,
        address=None if state == "segmented" else message.address,
    )


def statuses(stage: Stage, outputs: Iterable[object]) -> list[SpeechStatus]:
    """Return the statuses of the utterances that `stage` cut or rejected, by the `outputs` of its processor.

    The runners send them after the outputs. There are none if the stage gives no statuses.
    """
    if SPEECH not in stage.gives:
        return []
    return [status for output in outputs if (status := _status(output, stage.name))]


def _status(output: object, stage: str) -> SpeechStatus | None:
    if isinstance(output, Utterance):
        return status_of(output, "segmented")
    if isinstance(output, Rejected) and isinstance(output.message, Utterance | Transcript | Flag):
        return status_of(output.message, "failed", stage) if _is_of_speech(output.message) else None
    return None


def _is_of_speech(message: Utterance | Transcript | Flag) -> bool:
    """Whether the message is about a whole utterance: not about words so far, or about a sound."""
    return isinstance(message, Utterance) or not (message.early or (isinstance(message, Flag) and message.sound))
