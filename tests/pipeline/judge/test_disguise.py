import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.judge.disguise import disguised, skeleton
from pipeline.judge.normalise import normalise


@pytest.mark.parametrize(
    ("hidden", "plain"),
    [
        ("k1ll", "kill"),
        ("ki11", "kill"),
        ("$h!t", "shit"),
        ("ret@rd", "retard"),
        ("k.i.l.l", "kill"),
        ("k i l l", "kill"),
        ("K-I-L-L", "kill"),
        ("k. i. l. l", "kill"),
        ("killlllll", "kill"),
        ("k.1.l.l", "kill"),
        ("ki*ll", "kill"),
        ("傻*逼", "傻逼"),
        ("傻.逼", "傻逼"),
        ("弄死死死你", "弄死你"),
    ],
)
def test_a_disguised_word_has_the_skeleton_of_the_plain_one(hidden: str, plain: str) -> None:
    found = disguised(normalise(hidden))
    assert found is not None
    assert found.view.text == skeleton(normalise(plain)).view.text
    assert found.hides(0, len(found.view.text))


@pytest.mark.parametrize(
    "text",
    ["I need 100 of them", "3.14 and 2,000", "well... yes", "它很好,我去过", "pass the salt", "哈哈", "at 5 o'clock"],
)
def test_ordinary_text_has_no_marks(text: str) -> None:
    assert disguised(normalise(text)) is None


@pytest.mark.parametrize("text", ["a s s ess", "U.S. law", "e.g. this"])
def test_short_spellings_are_not_joined(text: str) -> None:
    found = disguised(normalise(text))
    assert found is None or found.view.text == skeleton(normalise(text)).view.text
    assert found is None or " " in found.view.text


@given(st.text(alphabet="ab1l!@$.*- 傻逼0\u200b-", max_size=30))
def test_marks_and_positions_are_valid(text: str) -> None:
    found = skeleton(normalise(text))
    size = len(found.view.text)
    assert list(found.marks) == sorted(set(found.marks))
    assert all(0 <= mark < size for mark in found.marks)
    assert all(0 <= a < b <= len(text) for a, b in zip(found.view.starts, found.view.ends, strict=True))
