"""Moderate recordings with the one-machine runner, one file after the other."""

import asyncio
import dataclasses
import math
import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from pipeline.base.errors import BadMessage, VoxwardenError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import (
    AudioChunk,
    Flag,
    Message,
    SecondReading,
    Sound,
    SpeechStatus,
    Suggestion,
    Utterance,
)
from pipeline.contract.speech_status import status_of
from pipeline.contract.stage import Rejected
from pipeline.contract.topology import AUDIO, READ, STAGES, TRANSCRIBE, Stage
from pipeline.judge.reader.second_reading import flag_of
from pipeline.runner.local import LocalRunner
from pipeline.settings import Settings
from pipeline.speech.audio import vad
from pipeline.speech.audio.container import MAIN, Part
from pipeline.speech.audio.recording_parts import chunks_of, parts_of

if TYPE_CHECKING:
    from pipeline.judge.judge_stage import Rules

SPEAKER = "speaker"  # the speaker's name for all recordings, because a recording does not name its speakers

MODERATING = tuple(stage for stage in STAGES if not stage.stores)
HEARERS = sum(AUDIO in stage.takes for stage in MODERATING)  # stages that take the audio itself

WORST_FIRST: tuple[Suggestion, ...] = ("block", "review", "pass")


@dataclass(slots=True)
class FileReport:
    """The result for one file. `error` says why the file, or the rest of it, could not be read."""

    file: str
    seconds: float = 0.0
    speech_seconds: float = 0.0
    utterances: int = 0
    suggestion: Suggestion | None = None
    """The worst suggestion of its utterances. None if none was judged, and it was not read or not heard to its end."""
    unheard: int = 0
    """Number of utterances that were skipped or failed, so that nobody may call them clean."""
    error: str | None = None


Found = Flag | SpeechStatus | FileReport
"""How an utterance or a sound of a file ended, or how the file did."""


@dataclass(slots=True)
class _Progress:
    """Progress of a file through the stages."""

    report: FileReport
    waiting: dict[str, Utterance | Sound] = field(default_factory=dict)
    """The utterances and sounds that have not ended yet, by id."""
    unread: int = 0
    """Flags that the second reader has not seen yet."""
    open_parts: int = 1
    """Final chunks of the file's parts that a stage has not taken yet."""
    withheld: dict[str, list[Flag]] = field(default_factory=dict)
    """The flags of each utterance or sound that waits for words or second ear, by its id. They are one result."""


@dataclass
class Recordings:
    """`async for found in Recordings(...)` yields the end of each utterance and sound, and then the file's FileReport.

    An utterance ends with its Flag, or with a SpeechStatus: it was skipped or failed. A sound ends with its Flag. Each
    finding of a second reader is one more Flag. Flags come as soon as they are made. But flags of labels that need
    words and second ear come with their last verdict at the end of the file.

    Reports come in the order of `paths`. Errors of a file are in its report; other errors are raised.
    """

    paths: Sequence[Path]
    settings: Settings
    metrics: Metrics
    room_type: str = "default"
    names: Mapping[Path, str] = field(default_factory=dict)
    """Display names of files that are copies, e.g. of standard input."""
    longest: float = math.inf
    """Seconds of a file that are moderated. The rest of a longer file is an error."""
    rules: "Callable[[], Rules] | None" = None
    """Makes the rules of the judge; None: the files of the settings have them."""
    batch: int = TRANSCRIBE.batch
    """Utterances that are transcribed at once, at most."""
    beside_live: bool = False
    """Whether the process moderates live rooms, too. Their speech goes first."""
    _found: "asyncio.Queue[Found | None]" = field(default_factory=asyncio.Queue)
    _files: dict[str, _Progress] = field(default_factory=dict)

    async def __aiter__(self) -> AsyncIterator[Found]:
        feeder = asyncio.create_task(self._feed())
        feeder.add_done_callback(lambda _: self._found.put_nowait(None))
        try:
            while found := await self._found.get():
                yield found
            await feeder
        finally:
            feeder.cancel()

    async def _feed(self) -> None:
        stages = [
            dataclasses.replace(stage, batch=self.batch) if stage is TRANSCRIBE else stage for stage in MODERATING
        ]
        async with LocalRunner(
            self.settings,
            self.metrics,
            self._tap,
            stages=stages,
            rules=self.rules,
            clock=None,
            beside_live=self.beside_live,
        ) as runner:
            for path in self.paths:
                await self._feed_file(runner, path)
        for file in self._files.values():  # a stage has lost something, and silence would mean that it was clean
            for lost in [*file.waiting.values()]:
                self._see(Rejected(lost, BadMessage(f"{file.report.file} has lost speech", "Please report it.")))
                if isinstance(lost, Utterance):
                    self._see(status_of(lost, "failed", "lost"))
            self._report(file)

    async def _feed_file(self, runner: LocalRunner, path: Path) -> None:
        room = _name(path, self.names)
        report = FileReport(room)
        parts = await asyncio.to_thread(self._parts, path, report)
        self._files[room] = _Progress(report, open_parts=len(parts) * HEARERS)
        unread = {part.of(SPEAKER) for part in parts}
        async for chunk in self._chunks(path, parts, report):
            report.seconds = max(report.seconds, _end_of(chunk))
            unread.discard(chunk.speaker)
            await runner.put(chunk)
        for speaker in sorted(unread):  # nothing of these parts could be decoded
            await runner.put(AudioChunk(room=room, speaker=speaker, start=0.0, sequence=0, final=True))

    def _parts(self, path: Path, report: FileReport) -> list[Part]:
        try:
            return parts_of(path, vad.shared(), report.file, self.longest)
        except VoxwardenError as error:
            report.error = str(error)
            return [MAIN]

    async def _chunks(self, path: Path, parts: Sequence[Part], report: FileReport) -> AsyncIterator[AudioChunk]:
        """The chunks of all parts, one behind the reader.

        So damage after the last chunk is in the report before that chunk enters the pipeline.
        """
        room = report.file
        chunks = chunks_of(path, room, SPEAKER, self.room_type, parts=parts, name=room, longest=self.longest)
        held: AudioChunk | None = None
        while True:
            try:
                chunk = await asyncio.to_thread(next, chunks, None)
            except VoxwardenError as error:
                report.error, chunk = str(error), None
            if held:
                yield held
            if not chunk:
                return
            held = chunk

    def _tap(self, stage: Stage, batch: Sequence[Message], outputs: Sequence[Any]) -> None:
        # A file ends with the last flag that it waits for, so released flags come before.
        for output in sorted(outputs, key=lambda output: not (isinstance(output, Flag) and output.released)):
            self._see(output)
            self._report_finished()
        for message in batch if stage is READ else ():
            self._files[message.room].unread -= 1
        if AUDIO in stage.takes:
            for chunk in batch:
                if isinstance(chunk, AudioChunk) and chunk.final:
                    self._files[chunk.room].open_parts -= 1
        self._report_finished()

    def _see(self, output: Any) -> None:
        match output:
            case Utterance():
                file = self._files[output.room]
                file.waiting[output.id] = output
                file.report.speech_seconds += output.end - output.start - output.overlap
            case Sound():
                self._files[output.room].waiting[output.id] = output
            case Flag():
                file = self._files[output.room]
                file.unread += READ.is_on(self.settings)  # each flag passes the second reader
                if not output.released:
                    file.waiting.pop(output.utterance, None)
                    file.report.utterances += output.source == "words"
                file.report.suggestion = _worse(file.report.suggestion, output.suggestion)
                if output.withheld or output.released:  # words or second ear may still change the verdict
                    file.withheld.setdefault(output.utterance, []).append(output)
                else:
                    self._found.put_nowait(output)
            case SpeechStatus(state="skipped" | "failed"):
                file = self._files[output.room]
                file.waiting.pop(output.utterance, None)
                file.report.unheard += 1
                self._found.put_nowait(output)
            case SecondReading():
                file = self._files[output.room]
                file.report.suggestion = _worse(file.report.suggestion, "review")
                self._found.put_nowait(flag_of(output))
            case Rejected(message=Message() as message, error=error):
                file = self._files[message.room]
                if isinstance(message, Sound):  # an utterance that is rejected has a status, too
                    file.waiting.pop(message.id, None)
                file.report.error = str(error)

    def _report_finished(self) -> None:
        for room, file in _finished(self._files):
            self._report(file)
            del self._files[room]

    def _report(self, file: _Progress) -> None:
        file.report.suggestion = _verdict(file.report)
        for flag in sorted(map(_last_verdict, file.withheld.values()), key=lambda flag: flag.start):
            self._found.put_nowait(flag)
        self._found.put_nowait(file.report)


def _finished(files: dict[str, _Progress]) -> Iterator[tuple[str, _Progress]]:
    """The finished files before the first unfinished one, so that reports keep the order of the files."""
    for room, file in list(files.items()):
        if file.open_parts or file.waiting or file.unread:
            return
        yield room, file


def _verdict(report: FileReport) -> Suggestion | None:
    """Return the worst suggestion. A file is clean only if its speech was judged, or if it was read and has none."""
    worst = report.suggestion or "pass"
    was_heard = report.utterances or not (report.unheard or report.error)
    return worst if was_heard or worst != "pass" else None


def _last_verdict(flags: Sequence[Flag]) -> Flag:
    """Return one flag for all flags of an utterance or sound: the worst one, with what the others have found, too."""
    worst = min(flags, key=lambda flag: (WORST_FIRST.index(flag.suggestion), not flag.released))
    flagged = dict.fromkeys(label for flag in (worst, *flags) for label in flag.flagged)
    agreed = {flag.released for flag in flags}
    return replace(
        worst, flagged=tuple(flagged), withheld=tuple(label for label in worst.withheld if label not in agreed)
    )


def _worse(one: Suggestion | None, other: Suggestion) -> Suggestion:
    return min(one or "pass", other, key=WORST_FIRST.index)


def _name(path: Path, names: Mapping[Path, str]) -> str:
    """A file's name as text. Bytes that are not UTF-8 are escaped, so that different names stay different."""
    return names.get(path) or os.fsencode(path).decode(errors="backslashreplace")


def _end_of(chunk: AudioChunk) -> float:
    return chunk.start + len(chunk.data) / 2 / chunk.channels / chunk.sample_rate
