"""A canonical zip: the same files give the same bytes, and other bytes are refused."""

import io
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.assessment.report import packing
from pipeline.base.errors import InputError

FILES = {"b.txt": b"two", "a/c.txt": "一".encode()}


def test_the_order_does_not_matter() -> None:
    assert packing.pack(FILES) == packing.pack(dict(reversed(FILES.items())))
    assert packing.unpack(packing.pack(FILES), "it") == FILES


@given(st.data())
def test_a_flipped_bit_is_refused_or_changes_a_file(data: st.DataObject) -> None:
    packed = bytearray(packing.pack(FILES))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(InputError):
        assert packing.unpack(bytes(packed), "it") != FILES


def test_a_compressed_zip_is_refused() -> None:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b"a" * 1_000)
    with pytest.raises(InputError, match="canonical"):
        packing.unpack(written.getvalue(), "it")


def test_other_bytes_are_no_zip() -> None:
    with pytest.raises(InputError, match="it is damaged"):
        packing.unpack(b"PK", "it")
