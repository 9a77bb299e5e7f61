"""Half of the texts stand alone. The others follow their own words, the turns of their set, or those of strangers."""

from collections import Counter

import pytest

from pipeline.judge.classifier_text import SEPARATOR
from pipeline.learning.training_rows import CLEAN, Row, positive
from training.classifier.context import ALONE, WIDTH, Context
from training.classifier.noise import Mishearing, Noise

CLEARLY = Noise(misheard=0, bare=0)
TALK = [Row(f"talk {at}, and nothing else", "en", CLEAN, source="topical_chat") for at in range(20)]
THREAT = Row(
    "you know what happens to people who talk, I will find you tonight", "en", positive("violence"), "authored"
)
REPLY = Row("then do it", "en", positive("self_harm"), "diasafety", room="I want to end it", own="we are here")


def written(row: Row, seed: int = 1, rows: list[Row] = TALK, count: int = 400) -> list[list[str]]:
    """The parts of many drawings of `row`: room, own, text; or the text alone."""
    context = Context([*rows, row], Mishearing([], CLEARLY), seed)
    return [context(row, row.text).split(SEPARATOR) for _ in range(count)]


def test_the_share_alone_and_the_seed() -> None:
    found = written(THREAT)
    assert Counter(map(len, found))[1] / len(found) == pytest.approx(ALONE, abs=0.08)
    assert all(one == [THREAT.text] for one in found if len(one) == 1)
    assert found == written(THREAT) != written(THREAT, seed=2)


def test_a_text_is_cut_in_two_and_nothing_is_lost() -> None:
    cut = [one for one in written(THREAT) if len(one) == 3 and one[2] != THREAT.text]
    assert len(cut) > 80
    assert {f"{own} {text}" for _, own, text in cut} == {THREAT.text}
    at_the_clause = [text for _, _, text in cut if text == "I will find you tonight"]
    assert 0.5 < len(at_the_clause) / len(cut) < 1


def test_turns_of_the_set_stay_with_their_text() -> None:
    spoken = [one for one in written(REPLY) if len(one) > 1]
    assert {tuple(one) for one in spoken} == {("I want to end it", "we are here", "then do it")}


def test_strangers_are_mostly_harmless_and_the_speaker_has_no_foreign_risk() -> None:
    risky = [Row(f"risk {at}", "en", positive("abuse")) for at in range(20)]
    short = Row("hello all", "en", CLEAN)
    found = [one for one in written(short, rows=[*TALK, *risky], count=1_000) if len(one) > 1]
    assert not any("risk" in own for _, own, _ in found)
    assert 0.05 < sum("risk" in room for room, _, _ in found) / len(found) < 0.2


def test_strangers_speak_the_same_language() -> None:
    assert not any("talk" in part for one in written(Row("你好", "zh", CLEAN)) for part in one)


def test_mandarin_is_cut_between_characters() -> None:
    line = Row("我告诉你今天晚上你别回家了我们都在等你", "zh", positive("violence"))
    cut = [one for one in written(line) if len(one) > 1]
    assert {own + text for _, own, text in cut} == {line.text}
    assert len({text for _, _, text in cut}) > 5


def test_long_texts_lose_their_end() -> None:
    row = Row("a word " * 200, "en", CLEAN)
    assert max(len(one[-1]) for one in written(row, count=50)) == WIDTH[False]
