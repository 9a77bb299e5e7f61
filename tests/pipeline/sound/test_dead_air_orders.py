"""Dead air is reported whatever the sizes, delays and batches of the chunks are, and however long they stall."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, Sound
from pipeline.settings import Audio, Overload
from pipeline.sound.dead_air import DeadAirDetectors
from pipeline.sound.listen_stage import Listen
from pipeline.sound.listener import LATE_SECONDS
from pipeline.speech.load_shedding import Valve
from tests.pipeline.speech.audio.sound import chunks

pytestmark = pytest.mark.full  # thousands of orders

GRID = 1_790_000_010
"""A second at which a report may be due: a multiple of 15. All other times count from here."""
LEAST, REPORT = 20, 15
"""Seconds of silence, and from one report to the next."""
TENTH = SAMPLE_RATE // 10
LARGEST = 10
"""Tenths of a second of the largest chunk."""
STALL_SECONDS = 50.0
"""Two of these together are shorter than the time for which streams stay open."""

Arrival = tuple[float, str, AudioChunk]
"""The seconds at which a chunk arrives, the name of its speaker, and the chunk."""


@dataclass(frozen=True)
class Voice:
    """A speaker. Times are tenths of a second."""

    name: str
    begin: int
    parts: Sequence[tuple[bool, int]]
    """Whether each part is loud, and its length."""
    size: int
    """The length of a chunk."""
    delays: Sequence[float]
    """Seconds from the end of a chunk to its arrival, in turn."""
    leaves: bool
    """Whether the last chunk is final. Otherwise the speaker falls silent without a word."""

    @cached_property
    def loud(self) -> Sequence[bool]:
        """Of each tenth of a second that is sent, in whole chunks."""
        loud = [loud for loud, length in self.parts for _ in range(length)]
        return loud[: len(loud) // self.size * self.size]

    @property
    def end(self) -> int:
        return self.begin + len(self.loud)

    def hears(self, begin: int, end: int) -> bool:
        return self.begin <= 10 * begin and 10 * end <= self.end

    def talks(self, second: int) -> bool:
        """Whether a second has 0.3 s of sound. A second that never ends does not count: its audio stalls."""
        at = 10 * second - self.begin
        ends = self.leaves or 10 * second + 10 <= self.end
        return ends and sum(self.loud[max(0, at) : max(0, at + 10)]) >= 3

    def arrivals(self, delays: Sequence[float]) -> Iterator[Arrival]:
        """The chunks of one speaker never overtake each other."""
        sound = np.repeat(np.where(self.loud, 0.1, 0.0), TENTH).astype(np.float32)
        sizes = [self.size * TENTH] * (len(self.loud) // self.size - 1)
        made = chunks(sound, sizes, speaker=self.name, start=GRID + self.begin / 10) if self.loud else []
        arrived = 0.0
        for number, (chunk, delay) in enumerate(zip(made, itertools.cycle(delays), strict=False), 1):
            arrived = max(arrived, (self.begin + number * self.size) / 10 + delay)
            yield arrived, self.name, structs.replace(chunk, final=chunk.final and self.leaves)


@st.composite
def voices(draw: st.DrawFn) -> list[Voice]:
    quiet, loud = st.tuples(st.just(False), st.integers(1, 600)), st.tuples(st.just(True), st.integers(1, 60))
    delay = st.floats(0, LATE_SECONDS - LARGEST / 10 - 0.1)
    return [
        Voice(
            name,
            draw(st.integers(0, 150)),
            draw(st.lists(quiet | loud, min_size=1, max_size=4)),
            draw(st.integers(1, LARGEST)),
            draw(st.lists(delay, min_size=1, max_size=40)),
            draw(st.booleans()),
        )
        for name in draw(st.sampled_from(["a", "ab", "abc"]))
    ]


class Room:
    """A listen stage, and the dead air that it reports."""

    def __init__(self) -> None:
        self._now = 0.0
        clock, valve = (lambda: self._now), Valve(Overload(), lambda: 0.0)
        self._stage = Listen([], Audio(), valve, Metrics(), clock, lambda: 0.0, air=DeadAirDetectors(LEAST))
        self.reports: list[tuple[int, str]] = []
        """The second at which each silence ends, and the id."""

    def hear(self, batch: Sequence[Arrival]) -> None:
        self._now = max([self._now, *(at for at, _, _ in batch)])
        self._note(self._stage.process([chunk for _, _, chunk in batch]))

    def stall(self, seconds: float) -> None:
        self._now += seconds
        self._note(self._stage.tick(self._now))

    def end(self) -> list[tuple[int, str]]:
        self.stall(1e6)
        return sorted(self.reports)

    def _note(self, results: Iterable[object]) -> None:
        self.reports += [(round(each.end) - GRID, each.id) for each in results if isinstance(each, Sound)]


def in_order(arrivals: Iterable[Iterable[Arrival]]) -> list[Arrival]:
    return sorted(itertools.chain.from_iterable(arrivals), key=lambda each: each[:2])


def due(speakers: Sequence[Voice]) -> set[int]:
    """The reports that nothing may hold up: somebody hears the silence and the 5 seconds after it."""
    grid = range(0, 300, REPORT)
    heard = {at for at in grid if any(voice.hears(at - LEAST, at + LATE_SECONDS) for voice in speakers)}
    return {at for at in heard if not any(v.talks(second) for v in speakers for second in range(at - LEAST, at))}


@settings(max_examples=100, deadline=None)
@given(
    voices(),
    st.lists(st.integers(1, 64), min_size=1, max_size=9),
    st.lists(st.floats(0, 1, exclude_max=True), max_size=2),
)
def test_reports_do_not_depend_on_batches_delays_and_stalls(
    speakers: list[Voice], batches: list[int], stalls: list[float]
) -> None:
    orderly, room = Room(), Room()
    for arrival in in_order(voice.arrivals([0.0]) for voice in speakers):
        orderly.hear([arrival])
    late = in_order(voice.arrivals(voice.delays) for voice in speakers)
    edges = itertools.accumulate(itertools.cycle(batches), initial=0)
    for begin, end in itertools.pairwise(itertools.takewhile(lambda edge: edge < len(late) + max(batches), edges)):
        room.hear(late[begin:end])
        room.stall(sum(STALL_SECONDS for stall in stalls if begin <= stall * len(late) < end))
    expected = orderly.end()
    assert {at for at, _ in expected} == due(speakers)
    assert room.end() == expected
