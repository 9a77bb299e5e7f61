"""The faults of a stage that nothing waits for stop no other stage, and the stage comes back when they are gone."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from pipeline.base.errors import ConfigError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import SAMPLE_RATE, AudioChunk, Flag, Sound, Utterance
from pipeline.contract.stage import Processor
from pipeline.contract.topology import LISTEN, READ, SEGMENT, STAGES, UTTERANCES, Stage
from pipeline.judge.reader.read_stage import Read
from pipeline.review.evidence.lookback import open_lookback
from pipeline.runner.local import LocalRunner
from pipeline.runner.recovery import Recovery
from pipeline.runner.spared_stage import FAILURES, OFF_SECONDS, WINDOW_SECONDS, SparedStage
from pipeline.settings import Asr, ListenSettings, ReaderSettings, Settings
from pipeline.sound import listen_stage
from pipeline.sound.listen_stage import Listen
from pipeline.speech.audio.resample import Samples
from tests.pipeline.sound.disturbances import howl
from tests.pipeline.speech.audio.sound import chunks, clip
from tests.speech import threat

NOON = 1_790_000_000.0
SAID = "what was said"


def broken(*_: object, **__: object) -> NoReturn:
    raise RuntimeError(SAID)


def out_of_memory(*_: object) -> NoReturn:
    raise MemoryError


class Seen:
    """A tap that keeps the outputs of all stages, and counts the messages of `listen`."""

    def __init__(self) -> None:
        self.outputs: list[Any] = []
        self.listened = 0

    def __call__(self, stage: Stage, batch: Sequence[Any], outputs: Sequence[Any]) -> None:
        self.outputs += outputs
        self.listened += len(batch) * (stage is LISTEN)

    def kind(self, kind: type[Any]) -> list[Any]:
        return [each for each in self.outputs if isinstance(each, kind)]


def sent(sound: Samples, start: float = NOON) -> list[AudioChunk]:
    """Chunks of 0.2 s."""
    size = SAMPLE_RATE // 5
    return chunks(sound, [size] * (sound.size // size - 1), start=start)


async def hear(settings: Settings, metrics: Metrics, stages: Sequence[Stage] = (SEGMENT, LISTEN)) -> Seen:
    """Let a live runner hear a threat."""
    seen = Seen()
    async with LocalRunner(settings, metrics, seen, stages=stages, lookback=open_lookback(settings)) as runner:
        for chunk in sent(threat()):
            await runner.put(chunk)
            await asyncio.sleep(0.005)  # so that listen has several batches
    return seen


def left_out(metrics: Metrics, result: str = "skipped") -> float | None:
    return metrics.registry.get_sample_value("voxwarden_listened_chunks_total", {"result": result})


def is_off(metrics: Metrics, stage: str = "listen") -> float | None:
    return metrics.registry.get_sample_value("voxwarden_stage_off", {"stage": stage})


@pytest.mark.weights
async def test_words_are_flagged_while_all_audio_breaks_the_sounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Listen, "process", broken)
    metrics = Metrics()
    seen = await hear(Settings(data_dir=tmp_path, asr=Asr(model="tiny.en")), metrics, STAGES)
    assert [flag.suggestion for flag in seen.kind(Flag) if not flag.early and "kill you" in flag.text] == ["review"]
    assert is_off(metrics) == 1
    assert left_out(metrics) == seen.listened == len(sent(threat()))
    errors = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    assert len(errors) == FAILURES + 1
    assert "listen leaves out the messages in hand: an unexpected RuntimeError at test_spared_stage.py:" in errors[0]
    assert errors[-1].startswith("listen is off for 60 s after 3 failures")
    assert SAID not in caplog.text


@pytest.mark.parametrize("place", ["handle", "behind", "tick", "drain", "close"])
async def test_no_fault_of_the_sounds_stops_the_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setattr("pipeline.runner.local.TICK_SECONDS", 0.0)
    monkeypatch.setattr(Listen, place, broken)
    seen = await hear(Settings(data_dir=tmp_path), Metrics())
    assert len(seen.kind(Utterance)) == 1


async def test_words_are_heard_though_the_sounds_cannot_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listen_stage, "build", broken)
    metrics = Metrics()
    assert len((await hear(Settings(data_dir=tmp_path), metrics)).kind(Utterance)) == 1
    assert is_off(metrics) == 1


async def test_a_wrong_setting_is_still_told_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object) -> NoReturn:
        raise ConfigError("listen.sounds: there is no sound x", "Correct it.")

    monkeypatch.setattr(listen_stage, "build", wrong)
    with pytest.raises(ConfigError, match="there is no sound x"):
        await hear(Settings(data_dir=tmp_path), Metrics())


async def test_audio_of_a_killed_run_that_breaks_the_sounds_is_cut_and_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(data_dir=tmp_path)
    killed = Recovery(settings, open_lookback(settings))
    for chunk in sent(threat()):
        killed.journal.add(chunk)
    monkeypatch.setattr(Listen, "process", out_of_memory)
    seen = Seen()
    async with LocalRunner(settings, Metrics(), seen, stages=(SEGMENT, LISTEN), lookback=open_lookback(settings)):
        """The runner hears what is left."""
    assert len(seen.kind(Utterance)) == 1
    assert list(Recovery(settings, open_lookback(settings)).chunks()) == []


async def test_sounds_come_back_when_the_fault_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(data_dir=tmp_path, listen=ListenSettings(sounds=["howl"]))
    metrics, seen, now = Metrics(), Seen(), 1_000.0
    runner = LocalRunner(settings, metrics, seen, stages=(LISTEN,), timer=lambda: now)

    async def say(audio: Sequence[AudioChunk]) -> None:
        """One batch for each chunk."""
        for chunk in audio:
            before = seen.listened
            await runner.put(chunk)
            while seen.listened == before:  # noqa: ASYNC110 - waits for the thread of the stage
                await asyncio.sleep(0.001)

    audio = sent(howl(np.random.default_rng(1), np.tile(clip("tt-weasels"), 4)))
    async with runner:
        with monkeypatch.context() as fault:
            fault.setattr(Listen, "process", broken)
            await say(audio[:10])
        assert is_off(metrics) == 1
        await say(audio[10:15])
        assert (is_off(metrics), left_out(metrics), left_out(metrics, "heard")) == (1, 15, 0), "off for a minute"
        now += OFF_SECONDS
        await say(audio[15:])
        assert is_off(metrics) == 0
    assert {each.kind for each in seen.kind(Sound)} == {"howl"}
    assert (left_out(metrics), left_out(metrics, "heard")) == (15, len(audio) - 15)


class Odd(Processor[int, int]):
    """Fails for odd numbers."""

    made = 0

    def __init__(self) -> None:
        Odd.made += 1
        self.left_out = 0

    def process(self, batch: Sequence[int]) -> list[Any]:
        return [10 // (1 - number % 2) for number in batch]

    handle = process

    def spared(self) -> None:
        self.left_out += 1


def test_only_three_failures_within_a_minute_switch_a_stage_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Odd, "made", 0)
    metrics, now = Metrics(), 0.0
    stage = SparedStage("listen", Odd, metrics, lambda: now)
    for _ in range(5):  # never three within a minute
        assert (stage.handle([1, 2]), stage.handle([2])) == ([], [10])
        assert (stage.handle([1]), stage.handle([4])) == ([], [10])
        now += WINDOW_SECONDS + 1
    assert (is_off(metrics), Odd.made) == (0, 1)
    for _ in range(FAILURES):
        assert stage.handle([1]) == []
    assert (stage.handle([2]), is_off(metrics), Odd.made) == ([], 1, 1)
    now += OFF_SECONDS
    assert (stage.handle([1]), is_off(metrics), Odd.made) == ([], 1, 2), "a fresh processor, which has not worked yet"
    assert (stage.handle([2]), is_off(metrics)) == ([10], 0)


async def test_no_fault_of_the_second_reader_stops_the_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("behind", "tick", "close"):
        monkeypatch.setattr(Read, place, broken)
    monkeypatch.setattr("pipeline.runner.local.TICK_SECONDS", 0.0)
    settings = Settings(data_dir=tmp_path, reader=ReaderSettings(url="https://127.0.0.1:1/v1", model="m"))
    metrics = Metrics()
    stages = (SEGMENT, replace(READ, takes=(UTTERANCES,)))
    assert len((await hear(settings, metrics, stages)).kind(Utterance)) == 1
    assert is_off(metrics, "read") == 1
