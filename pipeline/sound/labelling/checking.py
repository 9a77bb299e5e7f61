"""Checks recordings for the labels that speech of AI must have: rhythm or spoken notice, and metadata."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Literal

from pipeline.base.errors import AudioError, VoxwardenError
from pipeline.contract.messages import SAMPLE_RATE, Transcript
from pipeline.sound.labelling.field import ImplicitLabel
from pipeline.sound.labelling.notice import NoticeFinder
from pipeline.sound.labelling.rhythm import RhythmDetector
from pipeline.sound.labelling.tags import labels_in
from pipeline.speech.audio.decode import read_file

EDGE_SECONDS = 10.0
"""A mark this near to the start or the end of the recording is at its start or end, else in the middle."""

Position = Literal["start", "middle", "end"]
Verdict = Literal["complete", "incomplete", "none", "unknown"]
Heard = Iterator[tuple[Path, Transcript | VoxwardenError]]
"""Transcripts and errors of recordings, those of one recording in sequence."""


@dataclass(frozen=True, slots=True)
class ExplicitLabel:
    """An explicit label that was heard, in seconds of the recording."""

    kind: Literal["rhythm", "notice"]
    start: float
    end: float
    text: str = ""
    """The spoken words of a notice; empty for a rhythm."""
    language: str = ""

    def position(self, seconds: float) -> Position:
        """Where it is in a recording of so many seconds."""
        before, after = self.start, seconds - self.end
        if min(before, after) > EDGE_SECONDS:
            return "middle"
        return "start" if before <= after else "end"


@dataclass(slots=True)
class Labelling:
    """The labels of one recording."""

    file: str
    transcribed: bool
    """Whether a spoken notice was looked for."""
    seconds: float = 0.0
    marks: list[ExplicitLabel] = field(default_factory=list)
    """By time."""
    metadata: list[ImplicitLabel] = field(default_factory=list)
    error: str | None = None
    """Why the recording, or the rest of it, could not be read."""

    @property
    def explicit(self) -> bool | None:
        """Whether it has an explicit label. None: unknown, because not all of it was heard."""
        return True if self.marks else (False if self.transcribed and not self.error else None)

    @property
    def implicit(self) -> bool:
        """Whether its metadata has a valid label."""
        return any(label.state == "valid" for label in self.metadata)

    @property
    def verdict(self) -> Verdict:
        """Whether it has both labels. `unknown`: it may have an explicit label that was not looked for."""
        if self.explicit and self.implicit:
            return "complete"
        if self.explicit is None:
            return "unknown"
        return "incomplete" if self.explicit or self.metadata else "none"


@dataclass(frozen=True, slots=True)
class LabelCheck:
    """Yields the labelling of each recording, in order."""

    paths: Sequence[Path]
    names: Mapping[Path, str] = field(default_factory=dict)
    """Display names of files that are copies, e.g. of standard input."""
    heard: Heard | None = None
    """What is said in the recordings, in the same order. None: spoken notices are not looked for."""
    advance: Callable[[float], None] = lambda _: None
    """Receives how many more seconds were searched for the rhythm."""

    def __iter__(self) -> Iterator[Labelling]:
        finder = NoticeFinder()
        groups = groupby(self.heard or (), key=itemgetter(0))
        group = None
        for path in self.paths:
            found = Labelling(self.names.get(path, str(path)), transcribed=self.heard is not None)
            self._listen(path, found)
            group = group or next(groups, None)
            if group and group[0] == path:
                _read(found, finder, group[1])
                group = None
            found.marks.sort(key=lambda mark: mark.start)
            yield found

    def _listen(self, path: Path, found: Labelling) -> None:
        detector = RhythmDetector()
        try:
            found.metadata = labels_in(path, found.file)
            for block in read_file(path, name=found.file):
                found.seconds += block.size / SAMPLE_RATE
                found.marks += (ExplicitLabel("rhythm", each.start, each.end) for each in detector.push(block))
                self.advance(block.size / SAMPLE_RATE)
        except AudioError as error:
            found.error = str(error)
        found.marks += (ExplicitLabel("rhythm", each.start, each.end) for each in detector.finish())


def _read(found: Labelling, finder: NoticeFinder, heard: Heard) -> None:
    for _, result in heard:
        if isinstance(result, VoxwardenError):
            found.error = found.error or str(result)
        elif notice := finder.find(result):
            found.marks.append(ExplicitLabel("notice", notice.start, notice.end, notice.text, notice.language))
