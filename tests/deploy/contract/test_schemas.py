"""Encoded messages match their schemas, and other messages do not."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from deploy.contract.schemas import DIALECT, KINDS, REQUIRED, attributes, is_audio, schema
from pipeline.contract.cloud_events import encode_event
from pipeline.contract.messages import AudioChunk, Decision, EarlyUtterance, Flag, Message, Sound, Utterance
from tests.pipeline.strategies import messages

ON_KAFKA = [kind for kind in KINDS if kind is not Decision]


def sent(message: Message, document: dict[str, Any]) -> Any:
    """The message as a client in another language decodes it: from JSON, or from headers with the schema's types."""
    event = encode_event(message, "test")
    if not is_audio(type(message)):
        return json.loads(event.value)
    texts = {name: value.decode() for name, value in event.headers}
    kinds = {name: field.get("type", "string") for name, field in document["properties"].items()}
    return {name: text if kinds[name] == "string" else json.loads(text) for name, text in texts.items()}


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_are_valid(kind: type[msgspec.Struct]) -> None:
    Draft202012Validator.check_schema(schema(kind))


@pytest.mark.parametrize("kind", ON_KAFKA)
@settings(max_examples=5)
@given(data=st.data())
def test_an_encoded_message_matches_its_schema(kind: type[Message], data: st.DataObject) -> None:
    document = schema(kind)
    Draft202012Validator(document).validate(sent(data.draw(messages(kind)), document))


@pytest.mark.parametrize("kind", ON_KAFKA)
@settings(max_examples=5)
@given(data=st.data())
def test_a_schema_refuses_a_message_without_a_required_field(kind: type[Message], data: st.DataObject) -> None:
    document = schema(kind)
    whole = sent(data.draw(messages(kind)), document)
    del whole[data.draw(st.sampled_from(document["required"]))]
    assert not Draft202012Validator(document).is_valid(whole)


@pytest.mark.parametrize("kind", KINDS)
def test_every_reference_of_a_schema_is_in_its_document(kind: type[msgspec.Struct]) -> None:
    document = schema(kind)
    assert document["$schema"] == DIALECT
    for name in document.get("$defs", {}):
        assert f"#/$defs/{name}" in json.dumps(document)
    assert json.dumps(document).count("#/$defs/") >= len(document.get("$defs", {}))


def test_only_audio_is_described_by_its_headers() -> None:
    assert [kind for kind in KINDS if is_audio(kind)] == [AudioChunk, Utterance, EarlyUtterance, Sound]
    assert {"data", "address"}.isdisjoint(schema(Utterance)["properties"])
    assert set(REQUIRED) <= set(schema(AudioChunk)["required"])


def test_an_app_sends_only_the_headers_that_cloudevents_requires() -> None:
    assert list(attributes(AudioChunk)) == REQUIRED
    assert list(attributes(Flag))[: len(REQUIRED)] == REQUIRED
    assert attributes(Flag)["ce_type"]["const"] == "voxwarden.flag.v1"
