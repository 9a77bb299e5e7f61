"""The meaning of each field is read from its docstring."""

import msgspec
import pytest

from deploy.contract.fields import meanings
from deploy.contract.schemas import KINDS, PARTS
from pipeline.contract.messages import Flag, Transcript, Utterance


@pytest.mark.parametrize("kind", [*KINDS, *PARTS])
def test_every_field_has_a_meaning(kind: type[msgspec.Struct]) -> None:
    assert [name for name, meaning in meanings(kind).items() if not meaning] == []


def test_a_meaning_is_one_line_for_each_field_in_its_order() -> None:
    found = meanings(Flag)
    assert list(found) == list(Flag.__struct_fields__)
    assert not any("\n" in meaning or "  " in meaning for meaning in found.values())


def test_a_field_is_explained_by_its_own_class_its_base_or_a_class_before() -> None:
    own, base, first = meanings(Transcript)["no_speech"], meanings(Transcript)["room"], meanings(Transcript)["id"]
    assert own == "The recogniser's probability that nobody spoke."
    assert base == "The app's name of the room."
    assert first == meanings(Utterance)["id"] == "UUIDv5. It is the same after any replay."
    assert meanings(Flag)["risk"] != meanings(Flag)["confidence"]


def test_a_type_of_another_module_has_no_meanings_of_its_own() -> None:
    class Foreign(msgspec.Struct):
        room: str
        colour: str

    assert meanings(Foreign) == {"room": "The app's name of the room.", "colour": ""}
