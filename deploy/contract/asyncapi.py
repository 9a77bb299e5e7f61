"""Generates the AsyncAPI 3 document of the topics in `pipeline/contract/topology.py`."""

from collections.abc import Sequence
from typing import Any

from agents.broker.kafka_clients import MAX_MESSAGE_BYTES
from deploy.contract.schemas import REQUIRED, attributes, is_audio
from pipeline.contract.cloud_events import BY_SPEAKER, CONTENT_TYPES, VERSION
from pipeline.contract.messages import Message
from pipeline.contract.topology import DEAD_LETTERS, STAGES, TOPICS, Stage, Topic
from pipeline.settings import Kafka

BINDING = {"bindingVersion": "0.5.0"}

# Headers of a dead letter, added to the record's own.
REASONS = {
    "voxwarden-stage": "The stage that could not handle the record.",
    "voxwarden-error": "The error, in one line.",
    "voxwarden-topic": "The source topic. Absent if the stage created the message.",
    "voxwarden-partition": "The partition of the source topic.",
    "voxwarden-offset": "The offset in this partition.",
    "voxwarden-cut": "Size in bytes of a value that was too large. The letter has no value then.",
}


def document() -> dict[str, Any]:
    """The document for a deployment with default settings."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Voxwarden",
            "version": f"{VERSION.removeprefix('v')}.0.0",
            "description": "Moderation of live voice rooms: CloudEvents 1.0 on Kafka, in binary mode, keyed by room.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {"kafka": {"host": Kafka().bootstrap, "protocol": "kafka"}},
        "channels": {_id(topic): _channel(topic, Kafka()) for topic in TOPICS},
        "operations": {name: operation for stage in STAGES for name, operation in _operations(stage).items()},
        "components": {"messages": {_message_id(topic): _message(topic) for topic in TOPICS}},
    }


def _id(topic: Topic) -> str:
    first, *rest = topic.name.removeprefix("voice.").split("-")
    return first + "".join(map(str.title, rest))


def _message_id(topic: Topic) -> str:
    return topic.message.__name__ if topic.message else "DeadLetter"


def _channel(topic: Topic, kafka: Kafka) -> dict[str, Any]:
    configuration = {"retention.ms": round(kafka.retention_seconds(topic) * 1000)}
    # The dead-letter topic has a higher limit, with room for the headers that give the reason.
    if topic is not DEAD_LETTERS:
        configuration["max.message.bytes"] = MAX_MESSAGE_BYTES
    return {
        "address": topic.name,
        "messages": {_message_id(topic): {"$ref": f"#/components/messages/{_message_id(topic)}"}},
        "bindings": {
            "kafka": {
                "partitions": kafka.partitions,
                "replicas": kafka.replication,
                "topicConfiguration": configuration,
                **BINDING,
            }
        },
    }


def _operations(stage: Stage) -> dict[str, Any]:
    made = {f"{stage.name}Takes{_suffix(topic, stage.takes)}": _operation("receive", topic) for topic in stage.takes}
    if stage.early:
        made[f"{stage.name}TakesEarly"] = _operation("receive", stage.early)
    made |= {f"{stage.name}Gives{_suffix(topic, stage.gives)}": _operation("send", topic) for topic in stage.gives}
    made[f"{stage.name}Rejects"] = _operation("send", DEAD_LETTERS)
    return made


def _suffix(topic: Topic, among: Sequence[Topic]) -> str:
    """Separates the operations of a stage that takes or gives several topics."""
    return _message_id(topic) if len(among) > 1 else ""


def _operation(action: str, topic: Topic) -> dict[str, Any]:
    channel = f"#/channels/{_id(topic)}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{_message_id(topic)}"}],
    }


def _message(topic: Topic) -> dict[str, Any]:
    meaning = "The room, or a shard of it." if topic.message in BY_SPEAKER else "The room."
    key = {"bindings": {"kafka": {"key": {"type": "string", "description": meaning}, **BINDING}}}
    if topic.message is None:
        headers = {name: {"type": "string", "description": reason} for name, reason in REASONS.items()}
        return {
            "summary": "The original record, with the reason in headers.",
            "contentType": "application/octet-stream",
            "headers": {"type": "object", "properties": headers, "required": list(headers)[:2]},
            "payload": {"type": "string", "format": "binary"},
        } | key
    return _described(topic.message) | key


def _described(kind: type[Message]) -> dict[str, Any]:
    file = {"$ref": f"schemas/{kind.__name__.lower()}.json"}
    headers = {"type": "object", "properties": attributes(kind), "required": REQUIRED}
    audio = is_audio(kind)
    return {
        "summary": (kind.__doc__ or "").splitlines()[0],
        "contentType": CONTENT_TYPES.get(kind.__name__, "application/json"),
        "headers": file if audio else headers,
        "payload": {"type": "string", "format": "binary"} if audio else file,
    }
