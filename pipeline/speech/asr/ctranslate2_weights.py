"""Reads CTranslate2's `model.bin` with float16 or float32 weights.

The layout is little-endian:
- u32 version, str spec, u32 revision, u32 number of variables
- for each variable: str name, u8 rank, u32 shape[rank], u8 dtype, u32 size in bytes, data
- u32 number of aliases
- for each alias: str alias, str name
A str is a u16 length and that many bytes; the last byte is NUL.
Source: `python/ctranslate2/specs/model_spec.py` in CTranslate2's repository.
"""

import math
import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.base.errors import WeightsCorrupt

Variables = Mapping[str, NDArray[np.generic]]
"""Arrays by name. They are views into the bytes of the file."""

SPEC = "WhisperSpec"
VERSIONS = (5, 6)  # their layout is the same
MAX_RANK = 4  # more than any weight of Whisper has
DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}  # not 5: NumPy has no bfloat16


def read_model_bin(data: bytes | bytearray) -> Variables:
    """All variables of a Whisper model. Raises WeightsCorrupt unless `data` is a complete, valid file."""
    reader = _Reader(data)
    version, spec, _revision = reader.u32(), reader.text(), reader.u32()
    if version not in VERSIONS or spec != SPEC:
        raise _corrupt(f"it has spec {spec!r}, version {version}, not {SPEC}, version {VERSIONS}")
    variables: dict[str, NDArray[np.generic]] = {}
    for _ in range(reader.u32()):  # each round reads bytes or raises, so a wrong count cannot loop for long
        name = reader.text()
        variables[name] = reader.array(name)
    for _ in range(reader.u32()):
        alias, name = reader.text(), reader.text()
        if name not in variables:
            raise _corrupt(f"the alias {alias!r} refers to {name!r}, which does not exist")
        variables[alias] = variables[name]
    if reader.left:
        raise _corrupt(f"{reader.left} bytes follow after its end")
    return variables


class _Reader:
    def __init__(self, data: bytes | bytearray) -> None:
        self._data = memoryview(data)
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, size: int) -> memoryview:
        if size > self.left:
            raise _corrupt("it is truncated")
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def number(self, code: str) -> int:
        number: int = struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]
        return number

    def u32(self) -> int:
        return self.number("I")

    def text(self) -> str:
        raw = bytes(self.take(self.number("H")))
        try:
            return raw.rstrip(b"\0").decode()
        except UnicodeDecodeError as error:
            raise _corrupt("a name is not UTF-8") from error

    def array(self, name: str) -> NDArray[np.generic]:
        rank = self.number("B")
        if rank > MAX_RANK:
            raise _corrupt(f"{name!r} has {rank} dimensions")
        shape = [self.u32() for _ in range(rank)]
        dtype = DTYPES.get(self.number("B"))
        size = self.u32()
        if dtype is None or 0 in shape or math.prod(shape) * np.dtype(dtype).itemsize != size:
            raise _corrupt(f"type, shape and size of {name!r} do not match")
        # A view: `Adapter.added_to` changes the file's bytes through it.
        return np.frombuffer(self.take(size), dtype).reshape(shape)


def _corrupt(why: str) -> WeightsCorrupt:
    return WeightsCorrupt(f"A model.bin cannot be read: {why}", "Get the weights again.")
