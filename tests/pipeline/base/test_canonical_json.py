"""Equal values have equal bytes."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.base import canonical_json
from pipeline.review.quality.figure import Window


def test_keys_are_sorted_and_floats_are_short() -> None:
    assert (
        canonical_json.canonical_bytes({"b": 0.1 + 0.2, "a": (1, None, "字")}) == '{"a":[1,null,"字"],"b":0.3}'.encode()
    )


def test_the_order_of_an_addition_does_not_matter() -> None:
    terms = [0.1, 0.2, 0.3, 1e9]
    assert canonical_json.canonical_bytes(sum(terms)) == canonical_json.canonical_bytes(sum(reversed(terms)))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_what_was_read_back_has_the_same_bytes(number: float) -> None:
    import msgspec

    written = canonical_json.canonical_bytes(Window(number, number))
    assert canonical_json.canonical_bytes(msgspec.json.decode(written, type=Window)) == written


def test_the_digest_is_sha256() -> None:
    assert canonical_json.digest(b"abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
