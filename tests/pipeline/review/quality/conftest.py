"""A decided case, for tests of checks and figures."""

from pathlib import Path

import pytest
from sqlalchemy import select

from pipeline.contract.messages import Verdict
from pipeline.review.cases import case_queue, deciding
from pipeline.review.cases.case_values import Case, Choice, ClipPiece, Evidence
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceFolder, checksum
from pipeline.review.quality import drawing
from pipeline.review.quality.drawing import Shares
from pipeline.review.review_store import SqlReviewStore
from pipeline.review.tables.core import OUTBOX
from tests.builders import NOON, flag

SECOND, GOLDEN = Shares(second=1.0, golden=0.0), Shares(second=0.0, golden=1.0)


class Desk:
    """A database with one case that ana upheld."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.store = SqlReviewStore(database)
        self.evidence = EvidenceFolder(folder)
        self.case = self.store.add([flag("a", 0, 5, address="log/1")], NOON)[0].case
        path = self.evidence.put(self.case, NOON, b"clip")
        clip = Evidence(
            path=path,
            case=self.case,
            start=NOON - 5,
            end=NOON + 5,
            seconds=5,
            bytes=4,
            sha256=checksum(b"clip"),
            timeline=(ClipPiece(0, NOON, 5),),
        )
        self.store.attach(clip)
        self.decide(self.case, "ana", "uphold", NOON)

    def decide(self, case: str, who: str, verdict: Verdict, at: float) -> None:
        with self.database.write() as connection:
            deciding.decide(connection, case, who, Choice(verdict=verdict), at)

    def draw(self, shares: Shares, at: float) -> list[str]:
        with self.database.write() as connection:
            return drawing.draw(connection, self.evidence, at, shares, 10)

    def waiting(self) -> list[Case]:
        with self.database.read() as connection:
            return case_queue.list_queue(connection)

    def events(self) -> int:
        with self.database.read() as connection:
            return len(connection.execute(select(OUTBOX)).all())


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Desk:
    return Desk(database, tmp_path / "evidence")
