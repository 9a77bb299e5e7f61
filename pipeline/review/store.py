"""The review store: what moderators have to look at and what they decided, in SQLite or PostgreSQL."""

from collections.abc import Collection, Sequence
from typing import Protocol

from pipeline.errors import CaseError
from pipeline.messages import Decision, Flag
from pipeline.review.appeals import reports
from pipeline.review.appeals.reports import Report
from pipeline.review.cases import deciding, ranking, reading, writing
from pipeline.review.cases.ranking import Ranking
from pipeline.review.cases.values import Case, CaseFile, Choice, Evidence, Filters, Outcome
from pipeline.review.database import Database
from pipeline.settings import Settings


class ReviewStore(Protocol):
    """Every method may block, and raises DependencyError when the database does not answer."""

    def add(self, flags: Sequence[Flag], at: float) -> list[Outcome]:
        """Store flags, all or none, and say what became of each, in order. A flag that is known by id changes nothing.

        A flag joins the open cases of its speaker whose time it touches. A flag of speech that was decided before is
        linked to the decided case, by the rule in `cases/repeated.py`. New speech opens a new case: nothing gets
        under a decision unseen. `at` is the time now, UTC seconds.
        """

    def audit(self, flags: Sequence[Flag], probability: float, at: float) -> list[Outcome]:
        """Store passed speech, drawn with this probability, each as a case of its own; a known id changes nothing."""

    def attach(self, clip: Evidence) -> list[str]:
        """Store `clip` as the evidence of its case, in the place of all others; give the paths of those."""

    def unheard(self, before: float) -> list[Report]:
        """Users' reports from before that moment (UTC seconds) that still wait for their clip, some at a time."""

    def heard(self, report: Report, voices: Collection[str]) -> None:
        """Note that the clip of `report` was looked for, and who is heard in it; nobody: nothing was held any more."""

    def cases(self, filters: Filters, after: tuple[float, str] | None = None, limit: int = 50) -> list[Case]:
        """The newest cases first; the next page starts `after` the `key` of the last one here."""

    def case(self, case: str) -> CaseFile:
        """A case with all that hangs on it; raises CaseError for an unknown id."""

    def find(self, prefix: str) -> str:
        """The id that begins with `prefix`; raises CaseError where none or more than one does."""

    def decide(self, case: str, moderator: str, choice: Choice, at: float) -> Decision:
        """Decide a case; `escalate` leaves it open for another decision. The same decision again gives the first one.

        Raises CaseError for an unknown case and for one that is decided.
        """

    def close(self) -> None:
        """Release the connections."""


class SqlReviewStore(ReviewStore):
    """`merge_gap`, `max_case` and `repeat` are seconds: how near flags make one case, how long that may get, and how
    much a forced cut repeats.
    """

    def __init__(
        self,
        database: Database,
        merge_gap: float = 0.0,
        max_case: float = 120.0,
        repeat: float = 0.5,
        ranking: Ranking | None = None,
    ) -> None:
        self._database = database
        self._merge = writing.Merge(merge_gap, max_case, repeat)
        self._ranking = ranking or Ranking({})

    def add(self, flags: Sequence[Flag], at: float) -> list[Outcome]:
        if not flags:
            return []
        with self._database.write() as connection:
            return writing.add(connection, flags, at, self._merge, self._ranking)

    def audit(self, flags: Sequence[Flag], probability: float, at: float) -> list[Outcome]:
        if not flags:
            return []
        with self._database.write() as connection:
            return writing.audit(connection, flags, at, probability, self._ranking)

    def attach(self, clip: Evidence) -> list[str]:
        with self._database.write() as connection:
            return writing.attach(connection, clip)

    def unheard(self, before: float) -> list[Report]:
        with self._database.read() as connection:
            return reports.unheard(connection, before)

    def heard(self, report: Report, voices: Collection[str]) -> None:
        with self._database.write() as connection:
            reports.heard(connection, report, voices)

    def cases(self, filters: Filters, after: tuple[float, str] | None = None, limit: int = 50) -> list[Case]:
        with self._database.read() as connection:
            return reading.cases(connection, filters, after, limit)

    def case(self, case: str) -> CaseFile:
        with self._database.read() as connection:
            return reading.case_file(connection, case)

    def find(self, prefix: str) -> str:
        with self._database.read() as connection:
            found = reading.ids(connection, prefix, limit=2)
        if not found:
            raise CaseError(f"No case {prefix}", "`voxwarden cases list` shows the ids.")
        if len(found) > 1:
            raise CaseError(f"More than one case begins with {prefix}", "Give more of the id.")
        return found[0]

    def decide(self, case: str, moderator: str, choice: Choice, at: float) -> Decision:
        with self._database.write() as connection:
            return deciding.decide(connection, case, moderator, choice, at)

    def close(self) -> None:
        self._database.close()


def open_store(settings: Settings, must_exist: bool = False) -> SqlReviewStore:
    """The store that the settings name, with its tables brought up to date; safe for many processes at once.

    With `must_exist`, a SQLite file that is not there is a ConfigError, not a new store.
    """
    database = Database(settings.database_url, must_exist)
    store = settings.store
    repeat = settings.audio.overlap_seconds
    return SqlReviewStore(database, store.merge_gap_seconds, store.max_case_seconds, repeat, ranking.build(settings))
