"""The same audio gives the same flags in one process and on Kafka with Faust."""

from typing import Any

import pytest
from msgspec import structs

from pipeline.contract.messages import Flag
from tests.stream.moderated import Moderated

pytestmark = [pytest.mark.broker, pytest.mark.weights]


def comparable(flag: Flag) -> dict[str, Any]:
    """Return a flag without the address of its audio. Values computed in batches are rounded to a thousandth."""
    fields = structs.asdict(structs.replace(flag, address=None))
    numbers = {name: fields.pop(name) for name in ("risk", "confidence", "labels")}
    return fields | {name: pytest.approx(value, abs=1e-3) for name, value in numbers.items()}


@pytest.mark.scenario
@pytest.mark.timeout(400)
def test_the_same_audio_gives_the_same_flags(moderated_here: list[Flag], moderated: Moderated) -> None:
    here = {flag.id: flag for flag in moderated_here}
    there = {flag.id: flag for flag in moderated.flags}
    assert any(flag.suggestion != "pass" for flag in here.values())
    assert there.keys() == here.keys()
    for id_, flag in here.items():
        found = structs.asdict(structs.replace(there[id_], address=None))
        assert found == comparable(flag)
        assert there[id_].address, "on Kafka, a flag has the address of its audio"


@pytest.mark.scenario
@pytest.mark.timeout(400)
def test_each_kind_of_sound_is_heard_in_its_room(moderated_here: list[Flag]) -> None:
    """The same flags are on Kafka."""
    heard = {(flag.room, flag.speaker, flag.sound.kind) for flag in moderated_here if flag.sound}
    assert heard == {
        ("attic", "dj", "recording"),
        ("attic", "mic", "howl"),
        ("attic", "mic", "scream"),
        ("attic", "fan", "scream"),
        ("hall", "ana", "dead_air"),
    }
