"""The second reader in the local runner: from utterances to cases, beside the judge, with a real server."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from pipeline.base.metrics import Metrics
from pipeline.contract.messages import Flag, SecondReading, Transcript, Utterance
from pipeline.contract.stage import Processor
from pipeline.contract.topology import Stage
from pipeline.judge.classifier import load_classifier
from pipeline.review.cases.case_values import Filters
from pipeline.review.evidence.lookback import open_lookback
from pipeline.review.review_store import open_store
from pipeline.runner.local import LocalRunner
from pipeline.runner.moderator import Moderator
from pipeline.runner.recordings_runner import FileReport, Recordings
from pipeline.settings import JudgeSettings, Settings
from tests.builders import NOON, transcript
from tests.pipeline.judge.fakes import WordClassifier
from tests.pipeline.judge.reader.model import by_word, settings_of
from tests.pipeline.review.delivery.receiver import ReceivingApp, Reply, receiving
from tests.pipeline.review.voices import utterance

DEMO = Path(__file__).parents[4] / "pipeline" / "runner" / "demo" / "lounge-ben.ogg"
TEXTS = ("nobody would miss you", "nice weather today", "what a walnut you are")


class Hear(Processor[Utterance, Transcript]):
    """Replaces Whisper: the utterances say TEXTS, in turn."""

    def __init__(self) -> None:
        self._heard = 0

    def process(self, batch: Any) -> list[Any]:
        return [self._transcript(each) for each in batch]

    def _transcript(self, heard: Utterance) -> Transcript:
        text = TEXTS[self._heard % len(TEXTS)]
        self._heard += 1
        place = {"room": heard.room, "speaker": heard.speaker, "end": heard.end, "address": heard.address}
        return transcript(text, heard.start, id=f"t-{heard.id}", utterance=heard.id, **place)


@pytest.fixture
def server() -> Iterator[ReceivingApp]:
    with receiving() as made:
        made.answer = by_word({"miss": {"self_harm": 0.9}})
        yield made


@pytest.fixture(autouse=True)
def unsure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace Whisper and the classifier: of the TEXTS, it is unsure about the first, and flags the third."""
    scores = {"miss": {"risk": 0.4, "self_harm": 0.3}, "walnut": {"risk": 0.95, "abuse": 0.95}}
    monkeypatch.setattr("pipeline.speech.asr.transcribe_stage.build", lambda *_: Hear())
    monkeypatch.setattr("pipeline.judge.judge_stage.load_classifier", lambda _: WordClassifier(scores))


def test_the_shipped_classifier_is_what_is_replaced() -> None:
    assert load_classifier(JudgeSettings()).labels


async def run(settings: Settings) -> dict[str, list[Any]]:
    """Let the runner judge an utterance for each of the TEXTS. Return the outputs of each stage."""
    seen: dict[str, list[Any]] = {}

    def tap(stage: Stage, batch: Any, outputs: Any) -> None:
        seen.setdefault(stage.name, []).extend(outputs)

    lookback = open_lookback(settings)
    for n in range(len(TEXTS)):
        lookback.put(utterance(str(n), 10.0 * n, 10.0 * n + 2, speaker=f"speaker-{n}"))
    async with LocalRunner(settings, Metrics(), tap, lookback=lookback, clock=None):
        """The runner finishes what the look-back has."""
    assert list(open_lookback(settings).unfinished()) == []
    return seen


async def test_an_unsure_utterance_becomes_a_case_of_the_second_reader(server: ReceivingApp, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, reader=settings_of(server.url))
    seen = await run(settings)
    assert [type(each) for each in seen["read"]] == [SecondReading]
    with closing(open_store(settings)) as store:
        cases = sorted(store.cases(Filters()), key=lambda case: case.start)
        [reader, words] = cases
        assert (reader.source, reader.suggestion, reader.label, reader.text) == (
            "reader",
            "review",
            "self_harm",
            TEXTS[0],
        )
        assert (words.source, words.start) == ("words", NOON + 20)
        assert len(store.case(reader.id).evidence) == 1
    assert len(server.got) == 1


@pytest.mark.parametrize("reply", [Reply(500), Reply(hang=True)], ids=["broken", "hangs"])
async def test_without_the_reader_and_with_a_broken_one_the_flags_are_the_same(
    server: ReceivingApp, tmp_path: Path, reply: Reply
) -> None:
    server.answer = lambda got: reply
    off = await run(Settings(data_dir=tmp_path / "off"))
    broken = await run(Settings(data_dir=tmp_path / "broken", reader=settings_of(server.url, seconds=0.3)))
    assert "read" not in off
    assert broken["read"] == []
    assert [replace(flag, address=None) for flag in off["judge"]] == [
        replace(flag, address=None) for flag in broken["judge"]
    ]
    assert off["deliver"] == broken["deliver"]


async def test_a_recording_has_a_line_for_each_finding(server: ReceivingApp) -> None:
    settings = Settings(reader=settings_of(server.url))
    found = [each async for each in Recordings([DEMO], settings, Metrics())]
    *flags, report = found
    assert isinstance(report, FileReport)
    assert (report.error, report.suggestion) == (None, "review")
    sources = [flag.source for flag in flags if isinstance(flag, Flag)]
    assert sources.count("words") == report.utterances > 2
    assert 1 <= sources.count("reader") == len(server.got)


async def test_the_python_library_does_not_ask_it(server: ReceivingApp) -> None:
    """Each recording would have a budget of its own."""
    moderator = Moderator({"reader": settings_of(server.url).model_dump(mode="json", exclude_none=True)})
    found = [each async for each in moderator.results(DEMO)]
    assert len(found) > 3
    assert server.got == []
