import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.base.errors import WeightsCorrupt
from pipeline.speech.asr import ctranslate2_weights
from tests.pipeline.speech.asr.models import ct2_bytes

VARIABLES: dict[str, NDArray[np.generic]] = {
    "encoder/conv1/weight": np.arange(24, dtype=np.float16).reshape(2, 4, 3),
    "decoder/num_heads": np.array(8, np.int16),
    "decoder/embeddings/weight": np.ones((3, 2), np.float32),
}
WHOLE = ct2_bytes(VARIABLES, {"decoder/projection/weight": "decoder/embeddings/weight"})


def test_written_variables_are_read() -> None:
    found = ctranslate2_weights.read_model_bin(WHOLE)
    assert set(found) == {*VARIABLES, "decoder/projection/weight"}
    for name, array in VARIABLES.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    np.testing.assert_array_equal(found["decoder/projection/weight"], VARIABLES["decoder/embeddings/weight"])


def test_every_truncated_file_is_refused() -> None:
    for length in range(len(WHOLE)):
        with pytest.raises(WeightsCorrupt):
            ctranslate2_weights.read_model_bin(WHOLE[:length])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (WHOLE + b"\0", "1 bytes follow"),
        (WHOLE.replace(b"WhisperSpec", b"WhisperSpam"), "WhisperSpam"),
        (b"\x63" + WHOLE[1:], "version 99"),
        (ct2_bytes({}, {"a": "b"}), "'a' refers to 'b'"),
        (ct2_bytes({"w": np.ones((1, 1, 1, 1, 1), np.float16)}), "5 dimensions"),
        (ct2_bytes({"w": np.ones((0, 4), np.float16)}), "do not match"),
    ],
)
def test_the_error_says_what_is_wrong(data: bytes, why: str) -> None:
    with pytest.raises(WeightsCorrupt, match=why):
        ctranslate2_weights.read_model_bin(data)


@given(st.binary(max_size=300), st.integers(0, len(WHOLE)), st.integers(0, 40))
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_read_or_refused(junk: bytes, at: int, cut: int) -> None:
    for data in (junk, WHOLE[:at] + junk + WHOLE[at + cut :]):
        try:
            found = ctranslate2_weights.read_model_bin(data)
        except WeightsCorrupt:
            continue
        assert sum(array.nbytes for array in {id(a): a for a in found.values()}.values()) <= len(data)
