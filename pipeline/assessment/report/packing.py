"""A zip file in one canonical form, so that equal files give equal bytes and no byte can change unseen."""

import io
import zipfile
from collections.abc import Mapping

from pipeline.base.errors import InputError

DATE = (1980, 1, 1, 0, 0, 0)
"""The date of every file in the zip: the earliest that the format knows."""
MODE = 0o100644 << 16
UNIX = 3


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return a zip with these files, in the order of their names.

    The files are not compressed, because another version of zlib would compress them to other bytes.
    """
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, DATE)
            entry.create_system, entry.external_attr = UNIX, MODE
            archive.writestr(entry, files[name])
    return written.getvalue()


def unpack(data: bytes, name: str) -> dict[str, bytes]:
    """Return the files of a zip. Raises InputError, which names `name`, for a zip that `pack` did not write."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files = {entry.filename: archive.read(entry) for entry in archive.infolist()}
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError) as error:
        raise InputError(f"{name} is damaged: {error}", "Get the bundle again from its sender.") from error
    if pack(files) != data:
        raise InputError(f"{name} was changed: its zip is not in canonical form", "Get it again from its sender.")
    return files
