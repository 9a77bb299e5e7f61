"""Makes the transcript of an utterance, and writes transcripts as JSON lines, SubRip or WebVTT.

After a forced cut, an utterance repeats the last half second of the one before. Repeated words are removed.
"""

from collections.abc import Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from itertools import product
from typing import Any, TypeVar

import msgspec

from pipeline.base.errors import VoxwardenError
from pipeline.base.recent_dict import RecentDict
from pipeline.contract import speech_status
from pipeline.contract.messages import (
    UNDETERMINED,
    Flag,
    SpeechStatus,
    Transcript,
    Utterance,
    Word,
    by_time,
    derive_id,
    origin,
)
from pipeline.speech.languages.writing_systems import tokens_of

VTT_HEADER = "WEBVTT\n\n"

Spoken = TypeVar("Spoken", bound=Transcript | Flag | SpeechStatus)


def transcript_of(utterance: Utterance, **fields: Any) -> Transcript:
    """The transcript of `utterance`, with its room, speaker and times.

    `fields` are its own fields: text, language, confidence, model and so on.
    """
    return Transcript(
        **origin(utterance),
        id=derive_id("transcribe", utterance),
        utterance=utterance.id,
        end=utterance.end,
        address=utterance.address,
        **fields,
    )


def wordless(utterance: Utterance, language: str = UNDETERMINED, **why: Any) -> Transcript:
    """The transcript of an utterance that was not transcribed. It has no text. `why` are the fields with the reason."""
    return transcript_of(utterance, text="", language=language, confidence=0.0, **why)


def srt_cue(number: int, start: float, end: float, text: str) -> str:
    """A SubRip cue. `start` and `end` are seconds from the start of the recording. `number` counts from 1."""
    return f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{_one_line(text)}\n\n"


def vtt_cue(start: float, end: float, text: str) -> str:
    """A WebVTT cue (https://www.w3.org/TR/webvtt1/). `start` and `end` are seconds. The file begins with VTT_HEADER."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"{_clock(start, '.')} --> {_clock(end, '.')}\n{_one_line(escaped)}\n\n"


def timed(spoken: Iterable[Spoken]) -> Iterator[tuple[Spoken, float]]:
    """The utterances by time, each with the second at which its subtitle ends.

    After a forced cut, an utterance ends in its speaker's next one, and its subtitle ends where that begins.
    """
    ends: list[float] = []
    following: dict[str, Spoken] = {}
    for each in reversed(ordered := by_time(spoken)):
        after = following.get(each.speaker)
        ends.append(after.start if after and each.start < after.start < each.end < after.end else each.end)
        following[each.speaker] = each
    return zip(ordered, reversed(ends), strict=True)


def json_line(file: str, transcript: Transcript) -> str:
    """A JSON object: file, start, end, language, text, confidence, no_speech, marks, and words if there are any.

    Speech that was not heard also has skipped and reason.
    """
    fields = {
        "file": file,
        "start": round(transcript.start, 3),
        "end": round(transcript.end, 3),
        "language": transcript.language,
        "text": transcript.text,
        "confidence": round(transcript.confidence, 4),
        "no_speech": round(transcript.no_speech, 4),
        "marks": transcript.marks,
    }
    if transcript.words:
        fields["words"] = transcript.words
    if transcript.skipped:
        fields |= {"skipped": True, "reason": speech_status.skipped(transcript).reason}
    return msgspec.json.encode(fields).decode() + "\n"


def error_line(file: str, error: VoxwardenError) -> str:
    """A JSON object: file, error."""
    return msgspec.json.encode({"file": file, "error": str(error)}).decode() + "\n"


def _one_line(text: str) -> str:
    """Replace line breaks by spaces: an empty line would end the cue."""
    return " ".join(text.split())


def _clock(seconds: float, point: str) -> str:
    milliseconds = round(max(seconds, 0.0) * 1000)
    return (
        f"{milliseconds // 3_600_000:02}:{milliseconds // 60_000 % 60:02}"
        f":{milliseconds // 1000 % 60:02}{point}{milliseconds % 1000:03}"
    )


TOKENS_PER_SECOND = 6
"""Words or Chinese characters per second in fast speech."""
SPARE_TOKENS = 2
"""Additional tokens for words that the cut has split."""
ALIKE = 0.75
"""Two texts have the same words if their similarity ratio is at least this."""


class Overlaps:
    """The last text of each speaker whose utterance was cut without a pause.

    It remembers `max_speakers` speakers, and forgets the one who was cut longest ago.
    """

    def __init__(self, max_speakers: int = 10_000) -> None:
        self._cut_off = RecentDict[tuple[str, str], tuple[float, str]](max_speakers)

    def before(self, utterance: Utterance) -> str:
        """The text of the speaker's previous utterance if this one repeats its end, else an empty text."""
        end, text = self._cut_off.get((utterance.room, utterance.speaker), (0.0, ""))
        # `end < utterance.end`: equal ends mean that this utterance itself is delivered a second time.
        return text if utterance.overlap and utterance.start < end < utterance.end else ""

    def trim(self, utterance: Utterance, text: str) -> str:
        """Remove the words that repeat the previous utterance from `text`. Remembers the rest if this cut is forced."""
        key = (utterance.room, utterance.speaker)
        text = without_repeat(self.before(utterance), text, utterance.overlap)
        self._cut_off.pop(key, None)
        if utterance.forced:
            self._cut_off[key] = (utterance.end, text)
        return text


def without_repeat(before: str, text: str, seconds: float) -> str:
    """Remove the words at the start of `text` that repeat the end of `before`, in an overlap of `seconds`."""
    longest = SPARE_TOKENS + round(TOKENS_PER_SECOND * seconds)
    # One token more, because a token that the cut has split is skipped.
    tail, head = tokens_of(before)[-longest - 1 :], tokens_of(text)[: longest + 1]
    repeated = _repeated([token[0].casefold() for token in tail], [token[0].casefold() for token in head])
    return text[head[repeated - 1].end() :].lstrip(" ,.;:!?，。；：！？、") if repeated else text


def _repeated(old: Sequence[str], new: Sequence[str]) -> int:
    """How many tokens at the start of `new` repeat the end of `old`. The most similar pair of sequences decides.

    The cut may have split a word. So a sequence of two or more tokens may skip the last token of `old` and the first
    token of `new`.
    """
    best, repeated = 0, 0
    for size in range(1, min(len(old), len(new)) + 1):
        # `piece`: leave out the last token of `old`. `skipped`: leave out the first token of `new`.
        for piece, skipped in product((0, 1), repeat=2) if size > 1 else ((0, 0),):
            ending, opening = old[len(old) - size - piece : len(old) - piece], new[skipped : skipped + size]
            if len(ending) == len(opening) == size and (likeness := _likeness(ending, opening)) > best:
                best, repeated = likeness, skipped + size
    return repeated


def words_left(words: tuple[Word, ...], text: str) -> tuple[Word, ...]:
    """The last of `words`: as many as are in `text`."""
    left, letters = len(words), len("".join(text.split()))
    while left and letters > 0:
        left -= 1
        letters -= len("".join(words[left].text.split()))
    return words[left:]


def _likeness(one: Sequence[str], other: Sequence[str]) -> int:
    """Number of common characters minus the differing ones; 0 for different words, or if the last words differ."""
    if not _alike(one[-1], other[-1]) or not _alike("".join(one), "".join(other)):
        return 0
    # `autojunk` would ignore frequent characters of longer texts.
    matcher = SequenceMatcher(None, "".join(one), "".join(other), autojunk=False)
    common = sum(block.size for block in matcher.get_matching_blocks())
    # = common - (len(one) - common) - (len(other) - common)
    return 3 * common - sum(map(len, one)) - sum(map(len, other))


def _alike(one: str, other: str) -> bool:
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= ALIKE
