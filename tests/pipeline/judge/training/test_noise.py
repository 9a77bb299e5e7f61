"""What is misheard sounds alike, at the rates that were asked for, and the same seed mishears the same."""

from dataclasses import replace

import pytest

from pipeline.judge.training.noise import Mishearing, Noise, bare, consonants, near_pinyin, pinyin, voiceless

TEXTS = [
    "他是一个好人",
    "她事以各号人",
    "是他的食物",
    "请问四川怎么走",
    "I write to the right people",
    "we sell and they sail",
] * 3
ALWAYS = Noise(misheard=1, bare=1, errors=(1e6, 1), deleted=0, doubled=0)


def test_the_same_seed_makes_the_same_noise() -> None:
    one, same, other = (Mishearing(TEXTS * 5, seed=seed) for seed in (7, 7, 8))
    heard = [one(text) for text in TEXTS]
    assert heard == [same(text) for text in TEXTS]
    assert heard != [other(text) for text in TEXTS]


def test_another_character_has_about_the_same_sound() -> None:
    hear = Mishearing(TEXTS, ALWAYS, seed=1)
    heard = {hear("他是人") for _ in range(50)}
    assert len(heard) > 1
    assert {near_pinyin(pinyin(text)) for text in heard} == {near_pinyin(pinyin("他是人"))}


def test_another_word_has_about_the_same_consonants() -> None:
    always = Noise(misheard=1, bare=1, errors=(1e6, 1), deleted=0, doubled=0)
    hear = Mishearing(TEXTS, always, seed=1)
    heard = {hear("sell") for _ in range(100)}
    assert heard == {"sell", "sail"}
    assert {voiceless(consonants(word)) for word in heard} == {"sl"}


@pytest.mark.parametrize(("one", "other"), [("write", "right"), ("knight", "night"), ("phone", "fone"), ("bat", "bad")])
def test_words_that_sound_alike_have_one_sound(one: str, other: str) -> None:
    assert voiceless(consonants(one)) == voiceless(consonants(other))


@pytest.mark.parametrize(("one", "other"), [("四川", "事穿"), ("难民", "蓝名"), ("老师", "脑思")])
def test_near_sounds_are_told_apart_by_nobody(one: str, other: str) -> None:
    assert near_pinyin(pinyin(one)) == near_pinyin(pinyin(other))


def test_what_is_typed_stays_and_what_is_bare_loses_its_marks_alone() -> None:
    typed = Mishearing(TEXTS, Noise(misheard=0, bare=0))
    assert typed("Don't! STOP，好吗？") == "Don't! STOP，好吗？"
    spoken = Mishearing(TEXTS, Noise(misheard=0, bare=1))
    assert spoken("Don't! STOP，好吗？") == "don't stop 好吗"


def test_what_was_really_heard_is_taken_where_it_is_known() -> None:
    heard = {"他是人": ["她是人", "他试人"]}
    hear = Mishearing(TEXTS, Noise(misheard=1, bare=1, real=1), seed=1, heard=heard)
    assert {hear("他是人") for _ in range(50)} == set(heard["他是人"])
    assert hear("?!") == "?!"


def test_a_text_of_marks_alone_stays() -> None:
    assert Mishearing(TEXTS, Noise(misheard=0.5, bare=1))("?!") == "?!"


def test_words_are_lost_and_doubled() -> None:
    lost = Mishearing(TEXTS, Noise(misheard=1, bare=1, errors=(1e6, 1), deleted=1))
    assert lost("他是人") == "他是人"  # rather than nothing at all
    doubled = Mishearing(TEXTS, Noise(misheard=1, bare=1, errors=(1e6, 1), deleted=0, doubled=1))
    assert sorted(doubled("他是人")) == sorted("他是人" * 2)


def test_bare_text_has_no_punctuation_but_keeps_apostrophes() -> None:
    assert bare("Don't! 'Stop'—now, OK?") == "don't stop now ok"


def test_a_sound_is_taken_for_another_as_it_really_was() -> None:
    confused = replace(ALWAYS, confused=1.0)
    hear = Mishearing(TEXTS, confused, seed=1, heard={"我是谁": ["我是好"], "谁": ["人"]})
    assert {pinyin(hear("谁")) for _ in range(50)} == {"hao", "ren"}
    assert pinyin(hear("他")) == pinyin("他")
