import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.judge.matcher import Matcher, Term
from tests.pipeline.judge.fakes import shipped_matcher

SHIPPED = shipped_matcher()


def labels(text: str, at_least: tuple[str, ...] = ("medium", "high", "critical")) -> set[str]:
    return {match.term.label for match in SHIPPED.find(text) if match.level in at_least}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("I will kill you tonight", "violence"),
        ("I will k1ll you", "violence"),
        ("i will k.i.l.l you", "violence"),
        ("I WILL KILLLLL YOUUU", "violence"),
        ("i'll ｋｉｌｌ ｙｏｕ", "violence"),
        ("I’ll kіll you", "violence"),
        ("f*ck you", "abuse"),
        ("you are a ret@rd", "abuse"),
        ("fаggоts everywhere", "hate"),
        ("go k\u200bill yourself", "self_harm"),
        ("kys", "self_harm"),
        ("k.y.s", "self_harm"),
        ("don't tell your parents about us", "minor_safety"),
        ("how old are you? keep it a secret", "minor_safety"),
        ("read me the verification code please", "fraud"),
        ("add me on telegram", "ads_spam"),
        ("I'll dox you", "privacy"),
        ("we sell weed, I am selling weed", "illegal_trade"),
        ("let us make a pipe bomb", "terror_extremism"),
        ("send nudes", "sexual"),
        ("我弄死你", "violence"),
        ("我農死你", "violence"),
        ("弄 死 你", "violence"),
        ("弄死死死你", "violence"),
        ("殺了你", "violence"),
        ("你这个傻*逼", "abuse"),
        ("傻 逼", "abuse"),
        ("傻\u200b逼", "abuse"),
        ("草你马,操你妈", "abuse"),
        ("加 V 信", "ads_spam"),
        ("加我威信", "ads_spam"),
        ("刷单反利", "fraud"),
        ("验证码告诉我", "fraud"),
        ("百家乐注册送彩金", "illegal_trade"),
        ("不要告诉你爸妈", "minor_safety"),
        ("我不想活了", "self_harm"),
        ("ok 兄弟 kill yourself 哈", "self_harm"),
    ],
)
def test_terms_are_found(text: str, label: str) -> None:
    assert label in labels(text)


@pytest.mark.parametrize(
    "text",
    [
        "Scunthorpe United won",
        "kill the boss first",
        "shoot the ball",
        "I'll shoot you an email",
        "spic and span",
        "a chink in the armor",
        "what doesn't kill you makes you stronger",
        "a s s ess the class",
        "we pass the assessment",
        "the U.S.A and the U.K.",
        "it costs $100, call 555 1455",
        "how old are you?",
        "our little secret recipe",
        "beware of scams, never read me the verification code",
        "fire retardant paint",
        "the niggardly old man",
        "房间很干净",
        "草莓很甜",
        "我想死你了",
        "他很傻 逼我去",
        "妈妈逼着我吃饭",
        "打开盒子看看",
        "手机跑分多少",
        "你几岁了",
        "刷单车去上班",
        "傻了你",
        "乙肝能做爱吗,医生",
        "这局我杀死你三次,下一局复活",
        "去世时才五十几岁",
        "给老狗做了安乐死全家都哭了",
    ],
)
def test_clean_look_alikes_are_not_found(text: str) -> None:
    assert labels(text) == set()


def test_a_severe_hit_by_sound_alone_is_a_level_lower() -> None:
    (exact,), (heard,) = SHIPPED.find("弄死你"), SHIPPED.find("农丝你")
    assert (exact.level, heard.level) == ("high", "medium")


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ("so I’ll k.i.l.l you, ok", "I’ll k.i.l.l you"),
        ("然後我 弄死 你 吧", "弄死 你"),
        ("KILLLL YOURSELF!", "KILLLL YOURSELF"),
        ("ﬁnd: ｋｙｓ", "ｋｙｓ"),
    ],
)
def test_spans_refer_to_the_original_text(text: str, hit: str) -> None:
    (match,) = SHIPPED.find(text)
    assert text[match.start : match.end] == hit


def test_latin_terms_are_whole_words_unless_open() -> None:
    matcher = Matcher([Term("ass", "abuse", "low"), Term("kike*", "hate", "high")])
    assert matcher.find("class assess glass") == []
    assert [match.term.text for match in matcher.find("an ass和kikes")] == ["ass", "kike*"]


def test_stretching_outside_of_the_match_does_not_count() -> None:
    matcher = Matcher([Term("kick ass", "abuse", "low")])
    assert matcher.find("they kick as soooo many do") == []
    assert len(matcher.find("they kick asssss")) == 1


def test_of_overlapping_matches_of_a_label_the_worst_stays() -> None:
    terms = [
        Term("kill you", "violence", "low"),
        Term("will kill you", "violence", "high"),
        Term("you", "abuse", "low"),
    ]
    found = Matcher(terms).find("I will kill you")
    assert [match.term.text for match in found] == ["will kill you", "you"]


def test_near_and_unless_search_both_sides_up_to_a_distance() -> None:
    matcher = Matcher([Term("meet me", "minor_safety", "high", near=("school",), unless=("mother",))])
    assert len(matcher.find("after school you meet me")) == 1
    assert len(matcher.find("meet me after school")) == 1
    assert matcher.find("meet me" + " la" * 20 + " school") == []
    assert matcher.find("meet me after school, mother said") == []


def test_a_term_is_not_near_itself() -> None:
    matcher = Matcher([Term("放学来找我", "minor_safety", "high", near=("放学", "老师"))])
    assert matcher.find("放学来找我") == []
    assert len(matcher.find("放学来找我老师")) == 1


def test_near_matches_whole_words() -> None:
    matcher = Matcher([Term("meet me", "minor_safety", "high", near=("kid",), unless=("mum",))])
    assert matcher.find("just kidding meet me") == []
    assert len(matcher.find("kidding aside kid meet me")) == 1
    assert len(matcher.find("kid meet me at the museum of mummies")) == 1


def test_without_terms_nothing_is_found() -> None:
    assert Matcher([]).find("kill 你 k1ll") == []


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("kilyou 弄死你.*1!傻逼")), max_size=60))
def test_spans_are_inside_the_text(text: str) -> None:
    for match in SHIPPED.find(text):
        assert 0 <= match.start < match.end <= len(text)


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_chinese_threat_is_found_in_any_text(before: str, after: str) -> None:
    matcher = Matcher([Term("弄死你全家", "violence", "high")])
    assert any(match.level == "high" for match in matcher.find(f"{before} 弄死你全家 {after}"))
