"""The stages of this version handle the records of 0.1.0 that wait in Kafka."""

from types import SimpleNamespace
from typing import Any

import pytest

from agents.broker.kafka_records import Received, receive
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import Flag, Message, SpeechStatus, Transcript
from pipeline.contract.stage import Rejected
from pipeline.contract.topology import JUDGE, SEGMENT, TRANSCRIBE, Stage
from pipeline.runner.stage_processor import build_processor
from pipeline.settings import Asr, Settings
from tests.pipeline.review import release


def received(stage: Stage) -> list[Received]:
    """Return the old records of a stage's first topic, as the stage's worker decodes them. 0.1.0 had no other one."""
    topic, *_ = stage.takes
    assert topic.message is not None
    events = [event for name, _, event in release.records() if name == topic.name]
    places = {"topic": topic.name, "partition": 0}
    records: list[Any] = [
        SimpleNamespace(key=event.key, value=event.value, headers=event.headers, offset=offset, **places)
        for offset, event in enumerate(events)
    ]
    return [receive(topic.message, record) for record in records]


@pytest.mark.weights
@pytest.mark.parametrize(
    ("stage", "gives"), [(SEGMENT, []), (TRANSCRIBE, [Transcript, Transcript]), (JUDGE, [Flag, SpeechStatus])]
)
def test_a_stage_handles_the_records_of_the_last_release(stage: Stage, gives: list[type[Message]]) -> None:
    found = received(stage)
    assert [each.error for each in found] == [None, None]
    processor = build_processor(stage, Settings(asr=Asr(model="tiny.en")), Metrics())
    outputs = processor.handle([each.message for each in found]) + processor.drain()
    processor.close()
    assert not [each for each in outputs if isinstance(each, Rejected)]
    assert [type(each) for each in outputs] == gives
