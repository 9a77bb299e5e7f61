"""A stage beside transcribe needs only one entry in the topology to work on Kafka."""

from pathlib import Path

import httpx
import pytest

from pipeline.contract.cloud_events import decode_event
from pipeline.contract.messages import Flag
from pipeline.contract.topology import FLAGS, UTTERANCES
from pipeline.settings import Settings
from tests.builders import utterance
from tests.ports import free_port
from tests.stream.kafka_io import put, wait_for
from tests.stream.processes import worker

pytestmark = pytest.mark.broker


def test_the_stage_has_a_worker_with_metrics(settings: Settings, tmp_path: Path) -> None:
    port = free_port()
    said = [utterance(str(n), 10.0 * n, 10.0 * n + 2) for n in range(3)]
    written = put(settings, UTTERANCES, said)
    arguments = (
        "tests.stream.beside",
        "worker",
        "tone",
        "--metrics-port",
        str(port),
    )
    with worker(settings, tmp_path / "log", *arguments) as process:
        records = wait_for(settings, FLAGS, lambda found: len(found) >= len(said), process.running)
        figures = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    flags = [decode_event(Flag, record.value, record.headers) for record in records]
    assert sorted(flag.utterance for flag in flags) == ["0", "1", "2"]
    addresses = {f"{each.topic}/{each.partition}/{each.offset}" for each in written}
    assert {flag.address for flag in flags} == addresses
    assert 'voxwarden_messages_total{stage="tone"} 3.0' in figures
