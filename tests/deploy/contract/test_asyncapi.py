"""The AsyncAPI document names every topic, message and operation, and its references have targets."""

import json
from typing import Any

import yaml

from deploy.contract.__main__ import DOCS
from deploy.contract.asyncapi import document
from pipeline.contract.topology import DEAD_LETTERS, STAGES, TOPICS
from pipeline.settings import Kafka


def test_the_asyncapi_document_is_consistent() -> None:
    """Every reference has a target, and every topic and stage is present."""
    document = yaml.safe_load((DOCS / "asyncapi.yaml").read_text(encoding="utf-8"))
    assert [channel["address"] for channel in document["channels"].values()] == [topic.name for topic in TOPICS]
    references = list(_references(document))
    assert len(references) > 20
    for reference in references:
        target, _, inside = reference.partition("#/")
        found = json.loads((DOCS / target).read_text(encoding="utf-8")) if target else document
        for step in filter(None, inside.split("/")):
            found = found[step]
        assert found
    assert {"segmentTakes", "judgeGivesFlag", "deliverRejects"} <= set(document["operations"])
    assert not any(name.startswith("deliverGives") for name in document["operations"])


def _references(node: Any) -> Any:
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def test_every_stage_can_send_dead_letters() -> None:
    operations = document()["operations"]
    for stage in STAGES:
        assert operations[f"{stage.name}Rejects"]["channel"] == {"$ref": "#/channels/deadLetters"}
        taken = [each for name, each in operations.items() if name.startswith(f"{stage.name}Takes")]
        assert len(taken) == len(stage.takes) + (stage.early is not None)
        assert {each["action"] for each in taken} == {"receive"}


def test_channels_have_the_limits_of_the_default_settings() -> None:
    kafka = Kafka()
    for topic, channel in zip(TOPICS, document()["channels"].values(), strict=True):
        limits = channel["bindings"]["kafka"]
        assert (limits["partitions"], limits["replicas"]) == (kafka.partitions, kafka.replication)
        assert limits["topicConfiguration"]["retention.ms"] == kafka.retention_seconds(topic) * 1_000
        assert ("max.message.bytes" in limits["topicConfiguration"]) == (topic is not DEAD_LETTERS)


def test_audio_is_described_by_headers_and_other_messages_by_their_value() -> None:
    messages = document()["components"]["messages"]
    assert messages["AudioChunk"]["headers"] == {"$ref": "schemas/audiochunk.json"}
    assert messages["AudioChunk"]["payload"]["format"] == "binary"
    assert messages["Flag"]["payload"] == {"$ref": "schemas/flag.json"}
    assert messages["DeadLetter"]["headers"]["required"] == ["voxwarden-stage", "voxwarden-error"]
