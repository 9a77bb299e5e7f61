"""The upgrade's two scripts, with the code of this version. The benchmark itself runs them with that of 0.1.0."""

import json
from pathlib import Path

import pytest
from msgspec import structs

from benchmarks.upgrade import reading, writing
from pipeline.contract.cloud_events import decode_event
from tests.pipeline.review import release


def test_both_scripts_work(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writing.main(tmp_path)
    reading.main(tmp_path / "messages.jsonl", tmp_path / "store.db")
    found = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["error"] for line in found] == [None] * (len(writing.messages()) + 1)
    assert found[-1]["what"] == "store"


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    record = json.loads(writing.record(writing.messages()[-1]))
    assert list(reading.read(record)) == []
    assert "cannot be decoded" in next(reading.read(record | {"value": "e30="}))
    assert list(reading.read(record | {"kind": "Later"})) == ["unknown topic"]
    (tmp_path / "store.db").write_bytes(b"not a database, but long enough to be taken for one" * 50)
    assert "file is not a database" in (reading.opened(tmp_path / "store.db") or "")


def test_the_kept_messages_say_what_the_script_says() -> None:
    """Their bytes are those of 0.1.0. The audio may be encoded in another way today."""
    kept = [decode_event(reading.KINDS[kind], event.value, event.headers) for _, kind, event in release.records()]
    for old, (_, new) in zip(kept, writing.messages(), strict=True):
        same = {"data": b""} if hasattr(new, "data") else {}
        assert structs.replace(old, **same) == structs.replace(new, **same)
