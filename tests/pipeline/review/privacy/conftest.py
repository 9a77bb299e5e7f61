"""A store with clips, and the retention job."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.base.errors import Missing
from pipeline.review.cases import deciding, user_reports
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import Choice, Evidence
from pipeline.review.cases.user_reports import Complaint
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder
from pipeline.review.privacy import retention_job
from pipeline.review.privacy.retention_job import DAY, Done
from pipeline.review.review_store import SqlReviewStore
from pipeline.settings import Kafka, Keep, KeepLabel, Retention
from tests.builders import NOON, flag

KEPT = Kafka().longest_retention_seconds
UPHELD = Choice(verdict="uphold", action="mute")
DISMISSED = Choice(verdict="dismiss")
RULES = Retention(
    open=Keep(audio_days=30, case_days=60),
    upheld=Keep(audio_days=20, case_days=40),
    dismissed=Keep(audio_days=2, case_days=10),
    labels={"minor_safety": KeepLabel(upheld=Keep(audio_days=100, case_days=200))},
)


class Archive:
    """A store with clips, and the retention job."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.store = SqlReviewStore(database)
        self.evidence = EvidenceFolder(folder / "evidence")

    def add(self, name: str, choice: Choice | None, at: float = NOON, **changes: Any) -> str:
        """Store a case with a clip, decide it at `at`, and return its id."""
        offset = 10.0 * (sum(map(ord, name)) + 1)
        case = self.store.add([flag(name, offset, offset + 5, **changes)], NOON)[0].case
        self._attach(case)
        if choice:
            with self.database.write() as connection:
                deciding.decide(connection, case, "ana", choice, at)
        return case

    def report(self, voices: set[str], reporter: str = "cy") -> str:
        """Store a reported case of a whole room, with a clip of these speakers, and return its id."""
        complaint = Complaint(room="den", reporter=reporter, at=NOON)
        with self.database.write() as connection:
            report, _ = user_reports.file(connection, complaint, NOON, Ranking({}), 60.0)
            user_reports.finish_search(connection, report, voices)
        self._attach(report.case)
        return report.case

    def run(self, days: float, rules: Retention = RULES) -> Done:
        return retention_job.run_retention(self.database, self.evidence, rules, NOON + days * DAY, KEPT)

    def state(self, case: str) -> str:
        """Return "audio", "case" (without audio) or "gone"."""
        try:
            file = self.store.case(case)
        except Missing:
            return "gone"
        return "audio" if file.evidence else "case"

    def _attach(self, case: str) -> None:
        path = self.evidence.put(case, NOON, b"sound")
        self.store.attach(Evidence(path=path, case=case, start=NOON, end=NOON, seconds=1.0, bytes=5, sha256=""))

    def clips(self) -> int:
        return sum(file.is_file() for file in self.evidence.folder.rglob("*"))


@pytest.fixture
def archive(database: Database, tmp_path: Path) -> Archive:
    return Archive(database, tmp_path)
