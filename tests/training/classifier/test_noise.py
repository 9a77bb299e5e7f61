"""Replacements sound alike, errors have the requested rates, and the same seed gives the same errors."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from training.classifier.noise import (
    Errors,
    Mishearing,
    Noise,
    bare,
    consonants,
    near_pinyin,
    pinyin,
    round_trips,
    voiceless,
)

TEXTS = [
    "他是一个好人",
    "她事以各号人",
    "是他的食物",
    "请问四川怎么走",
    "I write to the right people",
    "we sell and they sail",
] * 3
SURELY = (1e6, 1.0)


def always(deleted: float = 0, doubled: float = 0) -> Noise:
    """Noise that changes every unit, with these shares of deletions and repetitions."""
    errors = Errors(SURELY, deleted, doubled)
    return Noise(misheard=1, bare=1, mandarin=errors, english=errors, rarity=0)


ALWAYS = always()


def test_the_same_seed_makes_the_same_noise() -> None:
    one, same, other = (Mishearing(TEXTS * 5, seed=seed) for seed in (7, 7, 8))
    readings = [one(text) for text in TEXTS]
    assert readings == [same(text) for text in TEXTS]
    assert readings != [other(text) for text in TEXTS]


def test_another_character_has_about_the_same_sound() -> None:
    hear = Mishearing(TEXTS, ALWAYS, seed=1)
    readings = {hear("他是人") for _ in range(50)}
    assert len(readings) > 1
    assert {near_pinyin(pinyin(text)) for text in readings} == {near_pinyin(pinyin("他是人"))}


def test_another_word_has_about_the_same_consonants() -> None:
    hear = Mishearing(TEXTS, ALWAYS, seed=1)
    readings = {hear("sell") for _ in range(100)}
    assert readings == {"sell", "sail"}
    assert {voiceless(consonants(word)) for word in readings} == {"sl"}


@pytest.mark.parametrize(("one", "other"), [("write", "right"), ("knight", "night"), ("phone", "fone"), ("bat", "bad")])
def test_words_that_sound_alike_have_one_sound(one: str, other: str) -> None:
    assert voiceless(consonants(one)) == voiceless(consonants(other))


@pytest.mark.parametrize(("one", "other"), [("四川", "事穿"), ("难民", "蓝名"), ("老师", "脑思")])
def test_similar_sounds_are_merged(one: str, other: str) -> None:
    assert near_pinyin(pinyin(one)) == near_pinyin(pinyin(other))


def test_typed_texts_stay_and_bare_texts_lose_only_punctuation() -> None:
    typed = Mishearing(TEXTS, Noise(misheard=0, bare=0))
    assert typed("Don't! STOP，好吗？") == "Don't! STOP，好吗？"
    spoken = Mishearing(TEXTS, Noise(misheard=0, bare=1))
    assert spoken("Don't! STOP，好吗？") == "don't stop 好吗"


def test_real_readings_are_used_if_they_exist() -> None:
    readings = {"他是人": ["她是人", "他试人"]}
    hear = Mishearing(TEXTS, Noise(misheard=1, bare=0, real=1), seed=1, readings=readings)
    assert {hear("他是人") for _ in range(50)} == set(readings["他是人"])
    assert hear("?!") == "?!"


def test_a_text_of_punctuation_only_stays() -> None:
    assert Mishearing(TEXTS, Noise(misheard=0.5, bare=1))("?!") == "?!"


def test_words_are_lost_and_doubled() -> None:
    lost = Mishearing(TEXTS, always(deleted=1))
    assert lost("他是人") == "他是人"  # an empty text would be worse
    doubled = Mishearing(TEXTS, always(doubled=1))
    assert sorted(doubled("他是人")) == sorted("他是人" * 2)


def test_bare_text_has_no_punctuation_but_keeps_apostrophes() -> None:
    assert bare("Don't! 'Stop'—now, OK?") == "don't stop now ok"


def test_real_confusions_replace_sounds() -> None:
    confused = replace(ALWAYS, confused=1.0)
    hear = Mishearing(TEXTS, confused, seed=1, readings={"我是谁": ["我是好"], "谁": ["人"]})
    assert {pinyin(hear("谁")) for _ in range(50)} == {"hao", "ren"}
    assert pinyin(hear("他")) == pinyin("他")


def test_a_misheard_text_keeps_its_marks_and_capitals() -> None:
    hear = Mishearing(TEXTS, replace(ALWAYS, bare=0), seed=1)
    for _ in range(20):
        assert {char for char in hear("他是人，好吗？") if char in "，？"} == {*"，？"}
        assert hear("他是人，好吗？") != "他是人，好吗？"
    readings = {hear("Sell, (sail)!") for _ in range(50)}
    assert "Sail, (sell)!" in readings
    assert readings <= {f"{one}, ({other})!" for one in ("Sell", "Sail") for other in ("sell", "sail")}


def test_bare_texts_have_their_share() -> None:
    hear = Mishearing(TEXTS, Noise(misheard=0, bare=0.2), seed=1)
    for text in ("no way, i quit", "不行，我不干了"):
        found = Counter(hear(text) for _ in range(1_000))
        assert set(found) == {text, bare(text)}
        assert found[bare(text)] == pytest.approx(200, abs=50)


def test_rare_characters_are_misheard_more_often() -> None:
    usual = [f"{char}到到" for char in "一二四五六七八九十百千万" for _ in range(20)]
    texts = ["他是人"] * 400 + ["她事仁"] * 3 + usual
    errors = Errors((20.0, 80.0), 0, 0)
    hear = Mishearing(texts, Noise(misheard=1, bare=1, mandarin=errors), seed=1)
    readings = [hear("他她") for _ in range(2000)]
    he, she = (sum(text[at] != char for text in readings) for at, char in enumerate("他她"))
    assert she > 1.2 * he > 0


def test_short_texts_are_misheard_more_often() -> None:
    texts = ["他是人", "她事仁"] * 20
    errors = Errors((20.0, 180.0), 0, 0)
    hear = Mishearing(texts, Noise(misheard=1, bare=1, mandarin=errors, rarity=0), seed=1)

    def share(text: str) -> float:
        readings = [hear(text) for _ in range(500)]
        return sum(one != other for found in readings for one, other in zip(found, text, strict=True)) / len(text) / 500

    assert share("他是人") > 1.7 * share("他是人" * 5)


def test_a_text_with_two_round_trips_has_all_readings(tmp_path: Path) -> None:
    (tmp_path / "one.tsv").write_text("他是人\t她是人\t他试人\n二\n", "utf-8")
    (tmp_path / "other.tsv").write_text("他是人\t它是人\n", "utf-8")
    assert round_trips(tmp_path) == {"他是人": ["她是人", "他试人", "它是人"]}
