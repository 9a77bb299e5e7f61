"""The topology is consistent, every stage keeps the contract of a processor, and a new stage needs one entry."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pipeline.base.metrics import Metrics
from pipeline.contract import topology
from pipeline.contract.messages import AudioChunk, Flag, SecondReading, Sound, SpeechStatus, Transcript, Utterance
from pipeline.contract.stage import HoldingProcessor, Processor, Rejected
from pipeline.contract.topology import AUDIO, DEAD_LETTERS, LISTEN, READ, STAGES, TOPICS, TRANSCRIPTS, UTTERANCES, Stage
from pipeline.review.evidence.lookback import open_lookback
from pipeline.runner.local import LocalRunner
from pipeline.runner.stage_processor import build_processor
from pipeline.settings import Asr, Settings, load
from tests.builders import flag, second_reading, transcript, utterance
from tests.pipeline.tone import TONE

BAD = {
    AudioChunk: AudioChunk(room="r", speaker="s", start=1.0, sequence=0, codec="container", data=b"no recording"),
    Utterance: utterance(data=b"no FLAC"),
    Sound: None,
    Transcript: None,
    Flag: flag("\0", text="\0"),
    SecondReading: second_reading(id="\0", text="\0"),
    SpeechStatus: SpeechStatus(id="\0", utterance="u", room="r", speaker="s", start=2.0, end=1.0, state="segmented"),
}
"""For each message type, a message that no stage can handle. None: there is no such message."""


def test_every_topic_is_written_and_read() -> None:
    given = {topic for stage in STAGES for topic in stage.gives}
    taken = {topic for stage in STAGES for topic in (*stage.takes, stage.early) if topic}
    assert given | {AUDIO, DEAD_LETTERS} == set(TOPICS)
    assert taken | {DEAD_LETTERS} == set(TOPICS)


def test_each_output_of_a_stage_has_one_topic() -> None:
    for stage in STAGES:
        kinds = [topic.message for topic in stage.gives]
        assert len(kinds) == len(set(kinds)), stage.name


def test_the_topology_has_no_cycle() -> None:
    order = {topic: number for number, topic in enumerate(TOPICS)}
    for stage in STAGES:
        assert all(order[taken] < order[given] for taken in stage.takes for given in stage.gives), stage.name


@pytest.fixture(params=STAGES, ids=lambda stage: stage.name)
def stage(request: pytest.FixtureRequest) -> Stage:
    found: Stage = request.param
    return found


@pytest.fixture
def processor(stage: Stage, tmp_path: Path) -> Iterator[Processor[Any, Any]]:
    settings = Settings(data_dir=tmp_path, asr=Asr(model="tiny.en"))
    made = build_processor(stage, settings, Metrics(), open_lookback(settings))
    yield made
    made.close()


@pytest.mark.weights
def test_a_processor_keeps_the_contract(stage: Stage, processor: Processor[Any, Any]) -> None:
    """It rejects messages that it cannot handle, and returns only messages of the topics it gives.

    Listen and read reject nothing: other stages take the same messages.
    """
    kinds = tuple(topic.message for topic in stage.gives if topic.message)
    bad = [message for topic in stage.takes if topic.message and (message := BAD[topic.message])]
    outcomes = processor.handle(bad)
    assert sum(isinstance(outcome, Rejected) for outcome in outcomes) == (0 if stage in (LISTEN, READ) else len(bad))
    later = [*processor.handle([]), *processor.tick(1e10), *processor.drain()]
    assert all(isinstance(outcome, (*kinds, Rejected)) for outcome in later)
    assert isinstance(processor, HoldingProcessor) is stage.holds


def test_the_settings_reach_every_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOXWARDEN_KAFKA__RETENTION_HOURS__DEAD_LETTERS", "0.5")
    settings = load()
    kept = {topic.name: settings.kafka.retention_seconds(topic) for topic in TOPICS}
    assert kept["voice.dead-letters"] == 1_800
    assert kept["voice.audio"] == 7_200


class Hear(Processor[Utterance, Transcript]):
    """Replaces Whisper in this test."""

    def process(self, batch: Any) -> list[Any]:
        return [
            transcript(
                "i am going to kill you",
                u.start,
                id=f"t-{u.id}",
                utterance=u.id,
                room=u.room,
                speaker=u.speaker,
                end=u.end,
                address=u.address,
            )
            for u in batch
        ]


async def test_a_stage_beside_transcribe_works_in_the_local_runner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both stages receive each utterance, and the store receives flags from both."""
    monkeypatch.setattr(topology, "STAGES", (*STAGES, TONE))
    monkeypatch.setattr("pipeline.speech.asr.transcribe_stage.build", lambda *_: Hear())
    settings = Settings(data_dir=tmp_path)
    seen: dict[str, list[Any]] = {}

    def tap(stage: Stage, batch: Any, outputs: Any) -> None:
        seen.setdefault(stage.name, []).extend(batch)

    utterances = [utterance(str(n), 10.0 * n, 10.0 * n + 2) for n in range(5)]
    lookback = open_lookback(settings)
    for each in utterances:
        lookback.put(each)
    async with LocalRunner(settings, Metrics(), tap, stages=(*STAGES, TONE), lookback=lookback, clock=None):
        """Every stage that takes utterances receives the utterances in the look-back."""
    assert [u.id for u in seen["tone"]] == [u.id for u in seen["transcribe"]] == [u.id for u in utterances]
    models = [flag.model for flag in seen["deliver"]]
    assert models.count("tone@1") == len(utterances)
    assert len(models) == 2 * len(utterances)
    assert TRANSCRIPTS not in TONE.gives
    assert UTTERANCES in TONE.takes


def test_a_stage_that_reads_audio_needs_a_log(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="The stage deliver reads audio"):
        build_processor(topology.DELIVER, Settings(data_dir=tmp_path), Metrics())
