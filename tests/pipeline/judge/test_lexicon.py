from pathlib import Path

import pytest

from pipeline.base.errors import ConfigError
from pipeline.judge import lexicon
from tests.pipeline.judge.fakes import LABELS, shipped_matcher

ORDINARY = (
    "are your parents home for christmas",
    "don't tell your mom i said hi",
    "they wanted to make a bomb before the germans did",
    "careful on that ice you'll break your neck",
    "would you jump off a bridge if they did",
    "the site shows you what your ip address is",
    "Gooooku is my favourite",
    "that couch is a waste of space",
    "just kidding, you're mature for your age",
    "前面路口交警在查车",
    "我是个天文爱好者",
    "妈妈给你做爱吃的菜",
    "躺床上叫外卖",
    "这是一个复杂种类",
    "味道变得更加微妙",
    "给大家推荐股票书",
    "我做了你爱吃的菜",
    "这把先买枪再买甲",
    "新手机跑分很高",
    "我们来开盒子",
    "你出门小心点，路上滑",
    "酒店住一晚多少钱",
    "东北人都是活雷锋",
    "想要一个自己的手机",
    "要不改天或者太累了就不去",
    "你也太败家了",
    "我要你的名字和座位号",
    "小心别人把你卖了",
    "放学了老师给你放学",
    "海边捡骨头玩",
    "他家住在学校旁边",
    "能把屏幕共享给我看看吗",
)
"""Each of these was once flagged wrongly."""


def written(folder: Path, text: str) -> str:
    path = folder / "own.yaml"
    path.write_text(text, "utf-8")
    return str(path)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_label_has_terms_in_each_language(language: str) -> None:
    (shipped,) = lexicon.load_lexicons([language], LABELS)
    assert {group.label for group in shipped.groups} == set(LABELS.labels)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_shipped_term_can_be_found(language: str) -> None:
    """A term that an allowed phrase or its own `unless` always hides is useless."""
    matcher = shipped_matcher()
    for group in lexicon.load_lexicons([language], LABELS)[0].groups:
        for term in group.terms:
            text = " ".join([term.removesuffix("*"), *group.near[:1]])
            assert group.label in {match.term.label for match in matcher.find(text)}, term


def test_no_label_has_a_term_twice() -> None:
    groups = [group for found in lexicon.load_lexicons(["en", "zh"], LABELS) for group in found.groups]
    for label in LABELS.labels:
        terms = [(term, group.near) for group in groups if group.label == label for term in group.terms]
        assert len(terms) == len(set(terms)), label


def test_examples_of_harmless_speech_are_not_hit() -> None:
    matcher = shipped_matcher()
    for label in LABELS.labels.values():
        for example in label.examples.not_meant:
            assert [match for match in matcher.find(example) if match.level != "low"] == [], example


def test_ordinary_speech_that_only_sounds_like_a_term_is_not_hit() -> None:
    matcher = shipped_matcher()
    found = {text: [m.term.text for m in matcher.find(text) if m.level != "low"] for text in ORDINARY}
    assert {text: terms for text, terms in found.items() if terms} == {}


def test_own_lexicons_replace_or_extend_the_shipped_ones(tmp_path: Path) -> None:
    own = written(tmp_path, "groups: [{label: abuse, level: high, terms: [snollygoster]}]")
    matcher = lexicon.compile_terms(lexicon.load_lexicons(["en", own], LABELS))
    assert [match.term.text for match in matcher.find("kys you sn0llygoster")] == ["kys", "snollygoster"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "groups: [{label: rude, level: low, terms: [x]}]",
            r"groups\.0\.label: unknown label rude\. Known labels: sexual",
        ),
        ("groups: [{label: abuse, level: mild, terms: [x]}]", r"groups\.0\.level: Input should be 'low'"),
        ("groups: [{label: abuse, level: low, terms: []}]", r"groups\.0\.terms"),
        ("groups: [{label: abuse, level: low, terms: ['  ']}]", r"groups\.0\.terms\.0"),
        ("groups: [{label: abuse, level: low, terms: ['***']}]", "has no letters"),
        (
            "groups: [{label: abuse, level: low, terms: [傻逼], pinyin: true}]",
            "傻逼 is too short to be matched by sound",
        ),
        ("groups: [{label: abuse, level: low, term: [x]}]", r"groups\.0\.term"),
        ("# cut off", "has no terms"),
    ],
)
def test_mistakes_are_named_by_file_and_key(tmp_path: Path, text: str, message: str) -> None:
    name = written(tmp_path, text)
    with pytest.raises(ConfigError, match=message) as caught:
        lexicon.load_lexicons([name], LABELS)
    assert name in str(caught.value)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        ConfigError,
        match=r"no lexicon fr. Use en, zh or a path, or write .*/languages/fr/lexicon.yaml",
    ):
        lexicon.load_lexicons(["fr"], LABELS)
    with pytest.raises(ConfigError, match=r"no lexicon mine. Use en, zh or a path\.$"):
        lexicon.load_lexicons(["mine"], LABELS)
