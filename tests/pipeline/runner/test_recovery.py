"""After a runner is killed, the next runner finishes its work."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from numpy.typing import NDArray

from pipeline.base.errors import BadMessage, DependencyError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, Flag, Transcript, Utterance
from pipeline.contract.stage import HoldingProcessor, Processor, Rejected
from pipeline.contract.topology import DELIVER, JUDGE, LISTEN, READ, SEGMENT
from pipeline.review.evidence.lookback import Lookback, open_lookback
from pipeline.review.evidence.segments import Finish
from pipeline.runner.journal import Journal
from pipeline.runner.local import LocalRunner
from pipeline.runner.recovery import Recovery
from pipeline.settings import Settings
from pipeline.speech.audio import vad
from pipeline.speech.audio.cutter import lead_seconds
from pipeline.speech.audio.encode import decode_flac
from pipeline.speech.audio.resample import Samples
from pipeline.speech.audio.segment_stage import Segment
from tests.builders import flag, sound, transcript, utterance


class Idle(Processor[Any, Any]):
    """A stage that does nothing."""

    def process(self, batch: Sequence[Any]) -> list[Any]:
        return []


class Holding(Idle, HoldingProcessor[Any, Any]):
    """Like the segment stage, still needs the latest chunk."""

    def __init__(self) -> None:
        self.needs = 1
        self.sent: list[str] = []
        self.earlier: list[Any] = []

    def needed(self, room: str, speaker: str) -> int:
        return self.needs

    def lead_in(self, earlier: Iterable[Any], sent: Iterable[Any] = (), *, whole: bool = False) -> None:
        assert whole
        self.earlier += earlier
        self.sent = [each.id for each in sent]


def said(name: str, start: float = 0.0) -> Utterance:
    return utterance(name, start, room="r", speaker="s")


def chunk(sequence: int, speaker: str = "s") -> AudioChunk:
    return AudioChunk(room="r", speaker=speaker, start=float(sequence), sequence=sequence)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path)


@pytest.fixture
def recovery(settings: Settings) -> Recovery:
    return Recovery(settings, open_lookback(settings))


def again(settings: Settings) -> Recovery:
    """The recovery of the next process."""
    return Recovery(settings, open_lookback(settings))


def test_a_temporary_failure_of_the_look_back_loses_and_repeats_nothing(
    recovery: Recovery, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runner repeats the call with the same outputs."""
    outputs: list[Any] = [said("0"), sound("s"), said("1"), said("2")]
    put = recovery.lookback.put
    full = iter((False, True))

    def put_until_full(utterance: Utterance) -> str:
        if next(full, False):
            raise DependencyError("The disk is full")
        return put(utterance)

    monkeypatch.setattr(recovery.lookback, "put", put_until_full)
    with pytest.raises(DependencyError):
        recovery.store(outputs)
    recovery.store(outputs)
    cut = [each for each in outputs if isinstance(each, Utterance)]
    assert [recovery.lookback.get(each.address or "") for each in cut] == cut
    assert [each.id for each in again(settings).utterances()] == ["0", "1", "2"]
    assert [each.id for each in again(settings).sounds()] == ["s"]


def test_utterances_without_a_mark_are_processed_again(recovery: Recovery, settings: Settings) -> None:
    addresses = [recovery.lookback.put(said(str(number), number)) for number in range(3)]
    recovery.finish([flag(address=addresses[1])], [object()])
    assert [utterance.id for utterance in again(settings).utterances()] == ["0", "2"]


@pytest.mark.parametrize(
    ("message", "outputs", "outcome"),
    [
        (flag(), [object()], Finish.JUDGED),
        (transcript(), [], Finish.JUDGED),
        (transcript(skipped=True), [], Finish.SKIPPED),
        (flag(), [Rejected(flag(), BadMessage("no"))], Finish.FAILED),
        (transcript(), [flag()], None),
    ],
)
def test_a_mark_records_the_outcome(
    recovery: Recovery, message: Flag | Transcript, outputs: list[object], outcome: Finish | None
) -> None:
    address = recovery.lookback.put(said("one"))
    of_it = [
        Rejected(flag(address=address), each.error) if isinstance(each, Rejected) else flag(address=address)
        if isinstance(each, Flag) else each
        for each in outputs
    ]  # fmt: skip
    recovery.finish([structs.replace(message, address=address)], of_it)
    ((_, utterance, mark),) = recovery.lookback.marked()
    assert utterance.id == "one"
    assert (mark.outcome if mark else None) == outcome


def test_audio_that_is_not_cut_is_processed_again_after_the_audio_before_it(
    recovery: Recovery, settings: Settings
) -> None:
    for number in range(1, 5):
        recovery.journal.add(chunk(number))
        recovery.journal.add(chunk(number, "other"))
    recovery.note(SEGMENT, Holding(), [chunk(number) for number in (1, 2, 3)], [said("cut", 1.0)])
    listening, holding = Idle(), Holding()
    restarted = again(settings)
    restarted.lead_in(listening)
    restarted.lead_in(holding)
    assert [each.sequence for each in holding.earlier] == [1, 2]
    assert holding.sent == ["cut"]
    found = list(restarted.chunks())
    assert [each.sequence for each in found if each.speaker == "s"] == [3, 4]
    assert [each.sequence for each in found if each.speaker == "other"] == [1, 2, 3, 4]


def test_a_segment_of_a_version_without_marks_is_finished(recovery: Recovery, settings: Settings) -> None:
    recovery.lookback.put(said("old"))
    for file in recovery.lookback.folder.glob("*.marks"):
        file.unlink()
    assert list(again(settings).utterances()) == []


def test_a_finished_utterance_can_be_reopened(recovery: Recovery) -> None:
    address, other = (recovery.lookback.put(said(name)) for name in ("one", "two"))
    recovery.lookback.finish([address, other], Finish.FAILED)
    assert recovery.lookback.reopen(address)
    assert recovery.lookback.unfinished() == [address]
    assert not recovery.lookback.reopen("lookback/0000000000000-00000000/0")


def test_a_sound_is_kept_until_its_flag_is_delivered(settings: Settings, recovery: Recovery) -> None:
    outputs: list[Any] = [sound("s")]
    recovery.note(LISTEN, Idle(), [chunk(0)], outputs)
    [kept] = outputs
    [left] = again(settings).sounds()
    assert (left.id, left.data, left.address) == ("s", b"flac", kept.address)
    flagged = flag("s", address=kept.address, source="sound")
    recovery.note(JUDGE, Idle(), [kept], [flagged])
    assert list(again(settings).sounds())
    recovery.note(DELIVER, Idle(), [flagged], [])
    assert not list(again(settings).sounds())
    assert not list(again(settings).utterances())


def test_the_second_reader_finishes_nothing(settings: Settings, recovery: Recovery) -> None:
    """The deliver stage takes the same flags."""
    address = recovery.lookback.put(said("one"))
    recovery.note(READ, Idle(), [flag(address=address)], [])
    assert recovery.lookback.unfinished() == [address]


def test_the_journal_keeps_audio_until_it_is_cut_and_stored(settings: Settings, recovery: Recovery) -> None:
    holding = Holding()
    recovery.journal.add(chunk(0))
    recovery.note(SEGMENT, holding, [chunk(0)], [])
    assert list(again(settings).chunks()) == [chunk(0)]
    holding.needs = 0
    recovery.note(SEGMENT, holding, [], [said("one", 0.0)])
    assert list(again(settings).chunks()) == []
    recovery.drained(LISTEN)
    assert list(recovery.journal.folder.iterdir())
    recovery.drained(SEGMENT)
    assert not list(recovery.journal.folder.iterdir())


TICK = 3_200
"""Samples in a chunk."""
FIRST = 1_000
"""Value of a speaker's first block."""
PAUSE = 4
"""Chunks of silence that end an utterance."""
BLOCK = 160
"""Samples with the same value. Each block of voice has another value, so an utterance tells which audio it has."""
DAY = 1_790_000_000.0


class Loudness(vad.Vad):
    """Takes all that is not silence for speech."""

    def __init__(self) -> None:
        """Load no model."""

    def probabilities(self, samples: Samples, memory: vad.Memory) -> NDArray[np.float32]:
        del memory
        return np.array([window.any() for window in samples.reshape(-1, vad.WINDOW)], np.float32)


class Clock:
    """The two clocks of a machine. `ahead` is the error of the clock that tells the time, in seconds."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.ahead = 0.0

    def monotonic(self) -> float:
        return self.passed

    def utc(self) -> float:
        return DAY + self.passed + self.ahead


class Voice:
    """One speaker's connection."""

    def __init__(self, name: str, clock: Clock) -> None:
        self.name = name
        self._clock = clock
        self._blocks = 0
        self.connect(0.0)

    def connect(self, late: float) -> None:
        """Begin a connection whose times are `late` seconds behind the clock of the machine."""
        self._began, self._sequence = self._clock.utc() - late, 0

    def say(self, *, loud: bool) -> AudioChunk:
        blocks = np.arange(TICK // BLOCK) + self._blocks + FIRST
        self._blocks += blocks.size if loud else 0
        data = np.repeat(blocks, BLOCK).astype("<i2").tobytes() if loud else bytes(2 * TICK)
        start = self._began + self._sequence * TICK / SAMPLE_RATE
        self._sequence += 1
        return AudioChunk(room="r", speaker=self.name, start=start, sequence=self._sequence - 1, data=data)


class Machine:
    """Processes that take audio one after the other in one folder; `kill` ends one without a word."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(data_dir=folder)
        self.clock = Clock()
        self.voices = [Voice(name, self.clock) for name in ("ann", "bob")]
        self.kill()

    def kill(self) -> None:
        """Kill the process, and start the next one."""
        self.recovery = Recovery(self.settings, open_lookback(self.settings))
        folder, keep = self.recovery.journal.folder, lead_seconds(self.settings.audio)
        self.recovery.journal = Journal(folder, keep, self.clock.monotonic)
        self.stage = Segment(self.settings.audio, Metrics(), Loudness(), self.clock.utc)
        self.recovery.lead_in(self.stage)
        for each in self.recovery.chunks():
            self.work([each], self.stage.process([each]))

    def work(self, batch: list[AudioChunk], outputs: list[Any]) -> None:
        self.recovery.note(SEGMENT, self.stage, batch, outputs)

    def hear(self, chunk: AudioChunk, killed: str = "") -> None:
        """Process a chunk. The process may be `killed` before that, or before the journal knows that it is cut."""
        self.recovery.journal.add(chunk)
        if killed != "before":
            outputs: list[Any] = self.stage.process([chunk])
            if killed:
                self.recovery.store(outputs)
            else:
                self.work([chunk], outputs)
        if killed:
            self.kill()

    def wait(self, seconds: float) -> None:
        self.clock.passed += seconds
        self.work([], self.stage.tick(self.clock.utc()))

    def heard(self) -> Counter[tuple[str, int]]:
        self.work([], self.stage.drain())
        return blocks(self.recovery.lookback)


def blocks(kept: Lookback) -> Counter[tuple[str, int]]:
    """How many samples of each block of each speaker the utterances have, without what they repeat on purpose."""
    utterances = {each.id: kept.get(address) for address, each, _ in kept.marked()}
    found: Counter[tuple[str, int]] = Counter()
    for each in utterances.values():
        assert each
        samples = decode_flac(each.data)[round(each.overlap * SAMPLE_RATE) :]
        values = np.round(samples[samples > 0] * 32_768).astype(int).tolist()
        found.update((each.speaker, value) for value in values)
    return found


def jumps() -> st.SearchStrategy[float]:
    """Seconds by which a clock is wrong."""
    return st.sampled_from([-3_600.0, 3_600.0, -300.0, 7.0]) | st.floats(-600, 600)


KILLS = st.sampled_from(["", "before", "after"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("talk"), st.sets(st.integers(0, 1)), st.integers(3, 75), st.integers(0, 1), KILLS),
        st.tuples(st.just("connects"), st.integers(0, 1), jumps()),
        st.tuples(st.just("clock steps"), jumps()),
        st.tuples(st.just("waits"), st.sampled_from([0.5, 4.0, 200.0])),
    ),
    min_size=3,
    max_size=10,
)


def play(machine: Machine, steps: list[tuple[Any, ...]], *, kill: bool) -> Counter[tuple[str, int]]:
    for step in steps:
        match step:
            case ("talk", loud, chunks, last, killed):
                for left, who in product(reversed(range(chunks + PAUSE)), (1 - last, last)):
                    machine.clock.passed += TICK / SAMPLE_RATE / 2
                    spoken = machine.voices[who].say(loud=who in loud and left < chunks)
                    machine.hear(spoken, killed if kill and not left and who == last else "")
            case ("connects", who, late):
                machine.voices[who].connect(late)
            case ("clock steps", seconds):
                machine.clock.ahead += seconds
            case ("waits", seconds):
                machine.wait(seconds)
    return machine.heard()


@hypothesis.settings(max_examples=15, deadline=None)
@given(STEPS)
@hypothesis.example(  # the new stream passes the sample at which the old one ended
    [("talk", set(), 5, 0, "after"), ("connects", 0, 7.0), ("talk", {0}, 60, 0, "after")]
)
def test_kills_and_clocks_that_jump_lose_no_speech_and_double_none(steps: list[tuple[Any, ...]]) -> None:
    with TemporaryDirectory() as whole, TemporaryDirectory() as killed:
        wanted = play(Machine(Path(whole)), steps, kill=False)
        assert play(Machine(Path(killed)), steps, kill=True) == wanted


class KilledError(Exception):
    """Ends a runner before it has finished its work."""


@pytest.mark.parametrize("step", [3_600.0, -3_600.0, -300.0])
async def test_a_runner_that_is_killed_after_the_clock_jumped_has_all_speech(settings: Settings, step: float) -> None:
    """The clock jumps and comes back, and each time the speaker connects again and speaks."""
    clock = Clock()
    voice = Voice("ann", clock)

    def runner() -> LocalRunner:
        return LocalRunner(
            settings,
            Metrics(),
            lambda *_: None,
            stages=[SEGMENT],
            lookback=open_lookback(settings),
            clock=clock.utc,
            build=lambda *_: Segment(settings.audio, Metrics(), Loudness(), clock.utc),
        )

    for ahead in (0.0, step, 0.0):
        with suppress(KilledError):
            async with runner() as running:
                clock.ahead = ahead
                voice.connect(0.0)
                for number in range(40):
                    await running.put(voice.say(loud=number % 20 < 10))
                    clock.passed += TICK / SAMPLE_RATE
                while not open_lookback(settings).unfinished():  # noqa: ASYNC110 - waits for the runner's thread
                    await asyncio.sleep(0.01)
                raise KilledError
    async with runner():
        pass
    every = range(FIRST, FIRST + 3 * 20 * TICK // BLOCK)
    assert blocks(open_lookback(settings)) == {("ann", block): BLOCK for block in every}
    assert not list((settings.data_dir / "journal").iterdir())
