"""Keys: each opens one action, a person's own keys replace the default ones, and buttons show them."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.console.console_texts import Texts
from pipeline.console.keyboard import KEYS, key_cap, keys_of


@given(st.dictionaries(st.sampled_from([*KEYS, "unknown"]), st.text("abXY19 ", min_size=1, max_size=3)))
def test_a_person_s_own_keys_replace_the_default_ones(remapped: dict[str, str]) -> None:
    found = keys_of(remapped)
    assert found.keys() == KEYS.keys()
    assert all(found[name] == remapped.get(name, key) for name, key in KEYS.items())


def test_no_key_begins_another_one() -> None:
    # "g q" is two keys: with a key "g" of its own, it could never be pressed.
    first = {key.partition(" ")[0] for key in KEYS.values() if len(key) > 1 and " " in key}
    assert first == {"g"}
    assert first.isdisjoint(KEYS.values())


def test_every_key_is_shown_short_and_unlike_the_others() -> None:
    texts = [key_cap(key) for key in KEYS.values()]
    assert len(set(texts)) == len(KEYS)
    assert max(map(len, texts)) <= 3
    assert all(text.strip() for text in texts)
    assert (key_cap("j"), key_cap(" "), key_cap("Shift+ArrowLeft"), key_cap("F9")) == ("j", "␣", "⇧←", "F9")


def test_every_key_has_a_text_and_one_action() -> None:
    assert {f"keys.{name}" for name in KEYS} <= Texts().catalogue("en").keys()
    assert len(set(KEYS.values())) == len(KEYS)
