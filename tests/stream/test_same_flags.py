"""The same audio gives the same flags in one process and on Kafka with Faust."""

from typing import Any

import pytest
from msgspec import structs

from pipeline.contract.messages import Flag
from tests.stream.moderated import START, Moderated

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


def of_sound(flags: list[Flag], kind: str) -> list[Flag]:
    """Return the flags of one kind of sound, by time."""
    return sorted((flag for flag in flags if flag.sound and flag.sound.kind == kind), key=lambda flag: flag.start)


@pytest.mark.scenario
@pytest.mark.timeout(400)
def test_a_banned_song_is_heard_on_both(moderated_here: list[Flag], moderated: Moderated) -> None:
    for flags in (moderated_here, moderated.flags):
        heard = of_sound(flags, "recording")
        assert {(flag.room, flag.speaker) for flag in heard} == {("attic", "dj")}
        assert {flag.sound.name for flag in heard if flag.sound} == {"A song"}
        assert (heard[0].start, heard[-1].end) == pytest.approx((START, START + 20), abs=2)
        assert {flag.suggestion for flag in heard} == {"review"}


@pytest.mark.scenario
@pytest.mark.timeout(400)
def test_a_howl_is_heard_on_both(moderated_here: list[Flag], moderated: Moderated) -> None:
    for flags in (moderated_here, moderated.flags):
        heard = of_sound(flags, "howl")
        assert {(flag.room, flag.speaker) for flag in heard} == {("attic", "mic")}
        assert heard[-1].end == pytest.approx(START + 12, abs=1)
        assert {(flag.suggestion, flag.source) for flag in heard} == {("review", "sound")}


@pytest.mark.scenario
@pytest.mark.timeout(400)
def test_a_scream_is_heard_on_both(moderated_here: list[Flag], moderated: Moderated) -> None:
    for flags in (moderated_here, moderated.flags):
        [heard] = [flag for flag in of_sound(flags, "scream") if flag.speaker == "fan"]
        assert (heard.room, heard.suggestion, heard.source) == ("attic", "review", "sound")
        assert (heard.start, heard.end) == (START + 4, START + 5)


@pytest.mark.scenario
@pytest.mark.timeout(400)
def test_dead_air_is_reported_on_both(moderated_here: list[Flag], moderated: Moderated) -> None:
    for flags in (moderated_here, moderated.flags):
        heard = of_sound(flags, "dead_air")
        assert [(flag.room, flag.speaker, flag.start - START, flag.end - START) for flag in heard] == [
            ("hall", "ana", 10, 25),
            ("hall", "ana", 25, 40),
        ]
