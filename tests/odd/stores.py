"""Damaged and forged bundles of the assessment, anchors, and stores with damaged audit logs."""

import shutil
import zipfile
from collections.abc import Callable, Mapping
from contextlib import closing
from io import BytesIO
from pathlib import Path

import msgspec
from sqlalchemy import Connection, delete, insert, update

from pipeline.base import signing
from pipeline.review import audit_log, audit_watch
from pipeline.review.database import Database
from pipeline.review.tables.core import AUDIT, AUDIT_HEAD
from tests.builders import NOON
from tests.pipeline.assessment.report import stored
from tests.pipeline.assessment.report.test_verify import PEM, built, forged
from tests.pipeline.review import people
from tests.pipeline.review.test_audit_log import unguarded

METHODS = {"deflate": zipfile.ZIP_DEFLATED, "lzma": zipfile.ZIP_LZMA, "bzip2": zipfile.ZIP_BZIP2}


def _bad_json(connection: Connection) -> None:
    audit_log.cut(connection, 3, NOON, "eve")
    connection.execute(update(AUDIT).where(AUDIT.c.action == audit_log.CUT).values(detail="[" * 30_000))


def _another_head(connection: Connection) -> None:
    connection.execute(insert(AUDIT_HEAD).values(id=2, seq=1, hash="0" * 64))


LOGS: Mapping[str, Callable[[Connection], object]] = {
    "bad-json": _bad_json,
    "no-head": lambda connection: connection.execute(delete(AUDIT_HEAD)),
    "two-heads": _another_head,
    "no-lines": lambda connection: connection.execute(delete(AUDIT)),
}
"""How the log of each store was changed, by the store's folder."""


def write_stores(folder: Path) -> None:
    """Write a store with a final report, a copy of it for each of LOGS, and bundles and anchors, into `folder`."""
    whole = folder / "whole"
    whole.mkdir()
    with closing(Database(f"sqlite:///{whole / 'voxwarden.db'}")) as database:
        people.hire(database)
        stored.fill(database)
        made = built(database, stored.freeze(database, whole))
        signing.make_key(whole / audit_watch.FILE)
        with database.read() as connection:
            head = audit_watch.head_of(connection, NOON)
    anchor = msgspec.json.encode(audit_watch.sign(head, signing.load_key(whole / audit_watch.FILE)))
    others = {"operator.pub": PEM, "anchors.jsonl": anchor, "deep.jsonl": b'{"head":' * 30_000}
    for name, content in (_bundles(made) | others).items():
        (folder / name).write_bytes(content)
    for name, change in LOGS.items():
        shutil.copytree(whole, folder / name)
        with closing(Database(f"sqlite:///{folder / name / 'voxwarden.db'}")) as database:
            unguarded(database)
            with database.write() as connection:
                change(connection)


def _bundles(made: bytes) -> dict[str, bytes]:
    forgeries = {"forged.zip": forged(made, None), "no-before.zip": forged(made, "")}
    broken = {f"{name}.zip": _broken(method) for name, method in METHODS.items()}
    whole = {"bundle.zip": made, "cut-bundle.zip": made[: len(made) // 2], "empty.zip": b""}
    return whole | forgeries | broken | {"bomb.zip": _packed(zipfile.ZIP_DEFLATED, bytes(1 << 30))}


def _packed(method: int, content: bytes) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        archive.writestr("manifest.json", content)
    return file.getvalue()


def _broken(method: int) -> bytes:
    data = bytearray(_packed(method, b"{}" * 5_000))
    data[50:60] = bytes(10)  # within the compressed bytes
    return bytes(data)
