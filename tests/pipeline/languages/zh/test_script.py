from pipeline.languages.zh.script import SCRIPT


def test_traditional_characters_are_folded_one_by_one() -> None:
    assert SCRIPT.fold("請") == "请"
    assert SCRIPT.fold("請問 abc") == "请问 abc"
    assert SCRIPT.fold("naïve") == "naïve"


def test_a_traditional_text_is_converted_as_a_whole() -> None:
    assert SCRIPT.converted("他看著我們") == "他看着我们"
    assert SCRIPT.converted("他看着土著") == "他看着土著"


def test_a_term_without_chinese_has_no_sound() -> None:
    assert SCRIPT.readings("hello") == set()
    assert SCRIPT.syllables("加v信") == 2
