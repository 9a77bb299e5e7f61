"""The contract in docs/ matches the code, and encoded messages match the contract."""

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pipeline.cli.lines import error_line, file_line, utterance_line
from pipeline.cli.textlines import InputPlace
from pipeline.contract.__main__ import COMMAND, DOCS, files, main
from pipeline.contract.fields import meanings
from pipeline.contract.schemas import KINDS, PARTS, is_audio, schema
from pipeline.contract.tables import filled
from pipeline.errors import ConfigError
from pipeline.events import encode
from pipeline.messages import Decision, Flag, Message
from pipeline.recordings import FileReport
from pipeline.topology import TOPICS
from tests.pipeline.strategies import messages

ON_KAFKA = [kind for kind in KINDS if kind is not Decision]


def sent(message: Message, document: dict[str, Any]) -> Any:
    """The message as a client in another language decodes it: from JSON, or from headers with the schema's types."""
    event = encode(message, "test")
    if not is_audio(type(message)):
        return json.loads(event.value)
    texts = {name: value.decode() for name, value in event.headers}
    kinds = {name: field.get("type", "string") for name, field in document["properties"].items()}
    return {name: text if kinds[name] == "string" else json.loads(text) for name, text in texts.items()}


@pytest.mark.parametrize("path", files(DOCS), ids=lambda path: path.name)
def test_the_documents_match_the_code(path: Path) -> None:
    assert path.is_file(), f"Run {COMMAND}"
    assert path.read_text(encoding="utf-8") == files(DOCS)[path], f"The contract has changed: run {COMMAND}"


def test_the_command_writes_the_same_documents_twice(tmp_path: Path) -> None:
    (tmp_path / "contract.md").write_text("# Topics\n<!-- begin topics -->\n<!-- end topics -->\n", encoding="utf-8")
    main(tmp_path)
    first = {path: path.read_bytes() for path in tmp_path.rglob("*.*")}
    main(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.*")} == first
    assert len(first) == len(KINDS) + 2
    assert "`voice.dead-letters`" in (tmp_path / "contract.md").read_text(encoding="utf-8")


def test_an_unknown_table_is_an_error() -> None:
    with pytest.raises(ConfigError, match="no table Typo"):
        filled("<!-- begin Typo -->\n<!-- end Typo -->")


def test_the_manual_has_a_place_for_every_table() -> None:
    text = (DOCS / "contract.md").read_text(encoding="utf-8")
    places = set(re.findall(r"<!-- begin (\w+) -->", text))
    assert places == {kind.__name__ for kind in (*KINDS, *PARTS)} | {"topics", "headers", "reasons"}


@pytest.mark.parametrize("kind", KINDS)
def test_schemas_are_valid(kind: type[msgspec.Struct]) -> None:
    Draft202012Validator.check_schema(schema(kind))


@pytest.mark.parametrize("kind", [*KINDS, *PARTS])
def test_every_field_has_a_meaning(kind: type[msgspec.Struct]) -> None:
    assert [name for name, meaning in meanings(kind).items() if not meaning] == []


@pytest.mark.parametrize("kind", ON_KAFKA)
@given(data=st.data())
def test_an_encoded_message_matches_its_schema(kind: type[Message], data: st.DataObject) -> None:
    document = schema(kind)
    Draft202012Validator(document).validate(sent(data.draw(messages(kind)), document))


@pytest.mark.parametrize("kind", ON_KAFKA)
@given(data=st.data())
def test_a_schema_refuses_a_message_without_a_required_field(kind: type[Message], data: st.DataObject) -> None:
    document = schema(kind)
    whole = sent(data.draw(messages(kind)), document)
    del whole[data.draw(st.sampled_from(document["required"]))]
    assert not Draft202012Validator(document).is_valid(whole)


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
    assert {"segmentTakes", "judgeGives", "deliverRejects"} <= set(document["operations"])
    assert "deliverGives" not in document["operations"]


def _references(node: Any) -> Any:
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


@given(messages(Flag).filter(lambda flag: flag.hits))
def test_the_json_lines_in_the_manual_have_the_keys_that_the_command_prints(flag: Flag) -> None:
    text = (DOCS / "contract.md").read_text(encoding="utf-8")
    shown = [
        json.loads(line) for block in re.findall(r"```jsonl\n(.*?)```", text, re.DOTALL) for line in block.splitlines()
    ]
    report = FileReport("a.wav", seconds=3.0, speech_seconds=1.7, utterances=1, suggestion="review", error=None)
    printed = [utterance_line(flag, "a.wav"), file_line(report), error_line(InputPlace(7), "")]
    assert [list(line) for line in shown] == [list(line) for line in printed]
    assert list(shown[0]["hits"][0]) == list(printed[0]["hits"][0])
