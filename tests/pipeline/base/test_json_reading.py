import msgspec
import pytest

from pipeline.base.json_reading import read_json


class Note(msgspec.Struct):
    text: str


def test_a_value_is_decoded() -> None:
    assert read_json(b'{"text": "hi"}', Note) == Note("hi")
    assert read_json('["hi"]', list[str]) == ["hi"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b'{"more":' + b"[" * 100_000, "nested too deeply"),
        (b'{"text": "\xff"}', "not in UTF-8"),
        ("[\ud800]", "not in UTF-8"),
        (b'{"text": 7}', "Expected `str`"),
        (b"{", "truncated"),
    ],
)
def test_each_fault_is_a_decode_error(text: bytes | str, fault: str) -> None:
    with pytest.raises(msgspec.DecodeError, match=fault):
        read_json(text, Note)
