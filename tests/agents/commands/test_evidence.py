"""`voxwarden evidence`: check, verify and rotate, as a person sees them."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from agents.commands.command_line import app
from pipeline.base.errors import ConfigError
from pipeline.review.cases.case_values import Evidence
from pipeline.review.database import Database
from pipeline.review.evidence import evidence_maintenance
from pipeline.review.evidence.evidence_maintenance import ProbeStep
from pipeline.review.evidence.evidence_store import checksum, open_evidence
from pipeline.review.review_store import SqlReviewStore, open_store
from pipeline.settings import Settings
from tests.builders import NOON, flag
from tests.s3 import OWNER, SECRET, S3Server

KEYS = "VOXWARDEN_EVIDENCE__ENCRYPTION__KEYS"
FIRST = '{"id": "first", "key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}'
SECOND = '{"id": "second", "key": "HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHgA="}'
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs the command."""
    return lambda *arguments: CliRunner().invoke(app, ["--set", f"data_dir={tmp_path}", "evidence", *arguments])


@pytest.fixture
def clips(tmp_path: Path, own_store: str) -> list[Path]:
    """Return the files of two clips of cases, which are not encrypted."""
    store, evidence = SqlReviewStore(Database(own_store)), open_evidence(Settings(data_dir=tmp_path))
    for outcome in store.add([flag("a", 0, 5), flag("b", 50, 55)], NOON):
        sound = b"OggS " + outcome.case.encode()
        path = evidence.put(outcome.case, NOON, sound)
        known = checksum(sound)
        store.attach(Evidence(path=path, case=outcome.case, start=NOON, end=NOON, seconds=1, bytes=9, sha256=known))
    store.close()
    return sorted((tmp_path / "evidence").rglob("*.ogg"))


def test_verify_names_each_fault(run: Run, clips: list[Path]) -> None:
    good = run("verify")
    assert (good.exit_code, good.stdout) == (0, "2 clips: 2 intact\n")
    clips[0].write_bytes(b"OggS other")
    clips[1].unlink()
    bad = run("verify")
    assert bad.exit_code == 3
    assert f"changed: 2026/01/01/{clips[0].name} (case {clips[0].stem})\n" in bad.stdout
    assert f"missing: 2026/01/01/{clips[1].name} (case {clips[1].stem})\n" in bad.stdout
    assert bad.stdout.endswith("2 clips: 1 changed, 1 missing\n")


def test_a_clip_that_is_deleted_meanwhile_is_no_fault(
    run: Run, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The retention job deletes a clip and its row after `verify` has read the row."""
    clips[0].unlink()
    monkeypatch.setattr(evidence_maintenance, "is_named", lambda _, clip: clip.case != clips[0].stem)
    shown = run("verify")
    assert (shown.exit_code, shown.stdout) == (0, "2 clips: 1 intact, 1 replaced meanwhile\n")


def test_a_key_is_introduced_and_then_changed(run: Run, clips: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEYS, f"[{FIRST}]")
    assert run("rotate", "--dry-run").stdout == "2 clips: 2 to renew\n"
    assert all(clip.exists() for clip in clips)
    assert run("rotate").stdout == "2 clips: 2 renewed\n"
    assert not any(clip.exists() for clip in clips)
    monkeypatch.setenv(KEYS, f"[{SECOND}, {FIRST}]")
    assert run("rotate").stdout == "2 clips: 2 renewed\n"
    assert run("rotate").stdout == "2 clips: 2 current\n"
    monkeypatch.setenv(KEYS, f"[{SECOND}]")
    assert run("verify").stdout == "2 clips: 2 intact\n"
    monkeypatch.delenv(KEYS)
    lost = run("verify")
    assert isinstance(lost.exception, ConfigError)
    assert "encrypted with the key second" in str(lost.exception)


def test_a_rotation_without_a_key_is_refused(run: Run, clips: list[Path]) -> None:
    del clips
    assert "There is no key in evidence.encryption" in str(run("rotate").exception)


def test_a_store_without_clips_has_no_fault(run: Run, tmp_path: Path) -> None:
    open_store(Settings(data_dir=tmp_path)).close()
    assert (run("verify").exit_code, run("verify").stdout) == (0, "No clips.\n")


@pytest.mark.parametrize(
    ("role", "done", "wrong"),
    [
        ("deliver", {"answer", "write"}, set()),
        ("deliver", {"answer", "write", "read", "delete"}, {"read", "delete"}),
        ("deliver", {"answer"}, {"write"}),
        ("console", {"answer", "write", "read", "hold", "delete"}, set()),
        ("retention", {"answer", "delete"}, set()),
        ("retention", {"delete"}, {"answer"}),
    ],
)
def test_check_compares_an_account_with_its_role(
    role: str, done: set[str], wrong: set[str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("answer", "write", "read", "hold", "delete")
    steps = [ProbeStep(name, name in done, "tried") for name in names]
    monkeypatch.setattr(evidence_maintenance, "probe", lambda _: steps)
    shown = run("check", "--role", role)
    assert shown.exit_code == (3 if wrong else 0)
    assert {line.split()[2] for line in shown.stdout.splitlines() if line[0] == "■"} == {f"{each}:" for each in wrong}


def test_a_folder_gives_deliver_too_many_rights(run: Run) -> None:
    assert run("check").exit_code == 0
    shown = run("check", "--role", "deliver")
    assert shown.exit_code == 3
    assert "■ allowed delete:" in shown.stdout


def test_check_shows_each_step(run: Run, s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "STORE": "s3",
        "S3__BUCKET": bucket,
        "S3__ENDPOINT": s3_server.url,
        "S3__ACCESS_KEY": OWNER,
        "S3__SECRET_KEY": SECRET,
        "S3__OBJECT_LOCK": "true",
    }.items():
        monkeypatch.setenv(f"VOXWARDEN_EVIDENCE__{name}", value)
    good = run("check")
    assert good.exit_code == 0, good.stdout
    assert [line.split()[2] for line in good.stdout.splitlines()] == ["answer:", "write:", "read:", "hold:", "delete:"]
    monkeypatch.setenv("VOXWARDEN_EVIDENCE__S3__SECRET_KEY", "wrong")
    bad = run("check")
    assert bad.exit_code == 3
    assert "SignatureDoesNotMatch" in bad.stdout
    assert SECRET not in bad.stdout
