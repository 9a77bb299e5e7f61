"""The commands of docs/operate.md make a backup of PostgreSQL and clips, and bring both back after a loss."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.contract.topology import DELIVER
from pipeline.review.cases.case_values import Choice, Evidence
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import checksum, open_evidence
from pipeline.review.review_store import SqlReviewStore
from pipeline.settings import EvidenceSettings, Settings, Store
from tests.broker import ROOT
from tests.builders import NOON, flag
from tests.pipeline.review import postgres

PAGE = (ROOT / "docs" / "operate.md").read_text("utf-8")
pytestmark = pytest.mark.timeout(900)  # nine commands, and each starts Python
KEY = {"id": "k1", "key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}


def commands(title: str) -> str:
    """Return the commands of the section `title` of the page."""
    section = PAGE[PAGE.index(f"### {title}\n") :]
    found: list[str] = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return found[0]


@pytest.fixture
def url() -> Iterator[str]:
    with postgres.server() as made:
        yield made


@pytest.fixture
def variables(url: str, tmp_path: Path) -> Mapping[str, str]:
    """Return the environment of the page's commands, with `voxwarden` of this source tree."""
    program = tmp_path / "bin" / "voxwarden"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m agents "$@"\n', "utf-8")
    program.chmod(0o755)
    (tmp_path / "backup").mkdir()
    return {
        "PATH": f"{program.parent}:{postgres.binaries()}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "DATABASE": url,
        "DATA": str(tmp_path / "data"),
        "BACKUP": str(tmp_path / "backup"),
        "VOXWARDEN_STORE__URL": url,
        "VOXWARDEN_DATA_DIR": str(tmp_path / "data"),
        "VOXWARDEN_EVIDENCE__ENCRYPTION__KEYS": f'[{{"id": "{KEY["id"]}", "key": "{KEY["key"]}"}}]',
    }


def test_a_restore_reads_all_that_deliver_takes_again() -> None:
    """Without the speech that has no flag, the tallies would show all speech since the backup as monitored."""
    section = PAGE[PAGE.index("### Read flags again after a restore\n") :].split("\n## ")[0]
    assert re.findall(r"--topic (\S+)", section) == [topic.name for topic in DELIVER.takes]


def run(script: str, variables: Mapping[str, str], folder: Path) -> str:
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def fill(settings: Settings, names: str) -> None:
    """Store a decided case with a clip for each name."""
    evidence = open_evidence(settings)
    with closing(Database(settings.database_url)) as database:
        store = SqlReviewStore(database)
        for outcome in store.add([flag(name, 10 * ord(name), 10 * ord(name) + 5) for name in names], NOON):
            sound = b"OggS " + outcome.case.encode()
            path = evidence.put(outcome.case, NOON, sound)
            known = checksum(sound)
            clip = Evidence(
                path=path, case=outcome.case, start=NOON, end=NOON, seconds=1, bytes=len(sound), sha256=known
            )
            store.attach(clip)
            store.decide(outcome.case, "ana", Choice(verdict="dismiss"), NOON)


def test_a_backup_brings_cases_clips_and_the_audit_log_back(
    url: str, variables: Mapping[str, str], tmp_path: Path
) -> None:
    settings = Settings(
        data_dir=tmp_path / "data",
        store=Store.model_validate({"url": url}),
        evidence=EvidenceSettings.model_validate({"encryption": {"keys": [KEY]}}),
    )
    fill(settings, "abc")
    run(commands("Back up"), variables, tmp_path)
    before = run("voxwarden cases list --format jsonl", variables, tmp_path)
    fill(settings, "d")

    shutil.rmtree(tmp_path / "data")
    run('psql --quiet "$DATABASE" --command "DROP SCHEMA public CASCADE; CREATE SCHEMA public"', variables, tmp_path)
    shown = run(commands("Restore"), variables, tmp_path)

    assert "3 clips: 3 intact" in shown
    assert shown.splitlines()[-1] == (tmp_path / "backup" / "audit.txt").read_text("utf-8").strip()
    assert run("voxwarden cases list --format jsonl", variables, tmp_path) == before
    assert len(before.splitlines()) == 3
