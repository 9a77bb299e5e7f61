"""A reader of CTranslate2's `model.bin`, for the float16 and float32 weights in it.

Layout, little endian: u32 version, str spec, u32 revision, u32 count; for each variable str name, u8 rank,
u32 shape[rank], u8 dtype, u32 bytes, data; then u32 count of aliases, each str alias and str name. A str is u16 length
and as many bytes, NUL at the end. Source: `python/ctranslate2/specs/model_spec.py` in CTranslate2's repository.
"""

import math
import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import WeightsCorrupt

Variables = Mapping[str, NDArray[np.generic]]
"""Arrays by name, views into the bytes that were read."""

SPEC = "WhisperSpec"
VERSIONS = (5, 6)
MAX_RANK = 4
DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def read(data: bytes | bytearray) -> Variables:
    """Every variable of a Whisper model; raises WeightsCorrupt for anything but a whole, well-formed file."""
    reader = _Reader(data)
    version, spec, _revision = reader.u32(), reader.text(), reader.u32()
    if version not in VERSIONS or spec != SPEC:
        raise _corrupt(f"it has spec {spec!r}, version {version}, not {SPEC}, version {VERSIONS}")
    variables: dict[str, NDArray[np.generic]] = {}
    for _ in range(reader.u32()):  # each turn takes bytes or raises, so that a false count ends early
        name = reader.text()
        variables[name] = reader.array(name)
    for _ in range(reader.u32()):
        alias, name = reader.text(), reader.text()
        if name not in variables:
            raise _corrupt(f"{alias!r} stands for {name!r}, which is not there")
        variables[alias] = variables[name]
    if reader.left:
        raise _corrupt(f"{reader.left} bytes follow its end")
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
            raise _corrupt("it is cut short")
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
            raise _corrupt("a name in it is not UTF-8") from error

    def array(self, name: str) -> NDArray[np.generic]:
        rank = self.number("B")
        if rank > MAX_RANK:
            raise _corrupt(f"{name!r} has {rank} dimensions")
        shape = [self.u32() for _ in range(rank)]
        dtype = DTYPES.get(self.number("B"))
        size = self.u32()
        if dtype is None or 0 in shape or math.prod(shape) * np.dtype(dtype).itemsize != size:
            raise _corrupt(f"{name!r} has a type, shape and size that do not go together")
        return np.frombuffer(self.take(size), dtype).reshape(shape)


def _corrupt(why: str) -> WeightsCorrupt:
    return WeightsCorrupt(f"A model.bin that cannot be read: {why}", "Get the weights again.")
