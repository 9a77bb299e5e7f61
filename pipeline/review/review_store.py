"""The review store: the cases for moderators and their decisions, in SQLite or PostgreSQL."""

from collections.abc import Callable, Collection, Sequence
from typing import Protocol

from msgspec.structs import replace
from sqlalchemy import Connection, or_, update
from sqlalchemy import case as case_when

from pipeline.base.errors import CaseError
from pipeline.contract.messages import EARLY_SECONDS, Decision, Flag, SpeechStatus, first_id
from pipeline.review.cases import (
    awaited_clips,
    case_queue,
    deciding,
    phrase_muting,
    reading,
    speaker_measures,
    storing,
    user_reports,
)
from pipeline.review.cases.awaited_clips import AwaitedClip
from pipeline.review.cases.case_queue import Ranking
from pipeline.review.cases.case_values import SEVERITY, Case, CaseFile, Choice, Evidence, Filters, Outcome, case_id
from pipeline.review.cases.speaker_measures import Measures
from pipeline.review.cases.user_reports import Report
from pipeline.review.database import Database
from pipeline.review.delivery import event_outbox, speech_tallies
from pipeline.review.delivery.event_outbox import FlagEventChoice
from pipeline.review.delivery.speech_tallies import Tally
from pipeline.review.privacy import holds
from pipeline.review.quality import quality_checks
from pipeline.review.tables.assessment_tables import DRILL_LINES
from pipeline.settings import Settings
from pipeline.speech.audio.cutter import OVERLAP_SECONDS

MAX_CASE_SECONDS = 120.0
"""Longest case: a moderator hears a clip of two minutes at most. More flags open another case."""


class ReviewStore(Protocol):
    """Storage of cases. Every method may block, and raises DependencyError if the database does not answer."""

    def add(
        self,
        batch: Sequence[Flag | SpeechStatus],
        at: float,
        drawn: Collection[str] = (),
        probability: float = 0.0,
        counted: Callable[[Tally], object] = lambda tally: None,
    ) -> list[Outcome]:
        """Store a batch in one transaction, at the time `at` (UTC seconds), and count all its speech.

        Flags to review or block become cases. If a flag touches open cases of its speaker in time, it joins them. A
        flag of speech that was decided before is linked to the decided case, by the rule in `cases/repeated_speech.py`.
        Other speech opens a new case, so that a moderator sees it.

        A flag whose only cause is phrases that are muted in its room counts as passed speech. Of the passed flags,
        each with an id in `drawn` becomes a case of its own, for audit: it was drawn with this `probability`.
        Returns the outcome of each flag to review or block, then of each audit, in order. A message whose id is
        already stored changes nothing, unless it is the flag of more words. After the commit, `counted` gets what was
        counted newly.
        """

    def standing(self, flags: Sequence[Flag]) -> list[Flag]:
        """Return the flags as `add` is to store them: not milder than flags of their first words that are stored."""

    def limit_events(self) -> int:
        """Drop the oldest events about flags if too many wait for the app, and return the number of dropped ones."""

    def forget_counted(self, before: float) -> None:
        """Forget the ids of speech that was counted before `before` (UTC seconds), and cannot be delivered again."""

    def attach(self, clip: Evidence) -> list[str]:
        """Store `clip` as the only evidence of its case; return the paths of the clips that it replaces."""

    def held(self, case: str) -> bool:
        """Tell whether a legal hold blocks the deletion of a case. False if there is no such case."""

    def put_off_clip(self, case: str, at: float) -> None:
        """Let the clip of a case be cut later, from `at` (UTC seconds) on. Raises CaseError if the id is unknown."""

    def claim_clip(self, at: float) -> AwaitedClip | None:
        """Return the awaited clip that is due longest at `at` (UTC seconds), for this process to try; None if none is.

        Another try is due later, unless `settle_clip` ends the wait.
        """

    def settle_clip(self, tried: AwaitedClip) -> None:
        """Note that an awaited clip is stored, or that its audio is gone."""

    def awaiting_clip(self, before: float) -> list[Report]:
        """Return a batch of reports stored before `before` (UTC seconds) that still wait for their clip."""

    def finish_search(self, report: Report, voices: Collection[str]) -> None:
        """Record that the search for the report's clip is over, and the speakers that are in the clip.

        No `voices` means that the audio was already gone.
        """

    def cases(self, filters: Filters, after: tuple[float, str] | None = None, limit: int = 50) -> list[Case]:
        """Return cases, newest first. For the next page, give the `key` of the last case as `after`."""

    def case(self, case: str) -> CaseFile:
        """Return a case with its flags, evidence and decisions. Raises CaseError if the id is unknown."""

    def find(self, prefix: str) -> str:
        """Return the id that begins with `prefix`. Raises CaseError if no id or more than one does."""

    def decide(self, case: str, moderator: str, choice: Choice, at: float) -> Decision:
        """Decide a case at the time `at` (UTC seconds). `escalate` leaves it open for another decision.

        The same decision sent again returns the first one. Raises CaseError if the case is unknown or decided.
        """

    def close(self) -> None:
        """Release the connections."""


class SqlReviewStore(ReviewStore):
    """The review store in a SQL database.

    Flags without a pause between them make one case, which may last up to `max_case` seconds. `flag_events` chooses the
    flags that make an event. `measures` counts strikes and writes notices; without it, decisions have none.
    """

    def __init__(
        self,
        database: Database,
        max_case: float = MAX_CASE_SECONDS,
        ranking: Ranking | None = None,
        flag_events: FlagEventChoice | None = None,
        measures: Measures | None = None,
    ) -> None:
        self._database = database
        self._merge = storing.Merge(max_case, OVERLAP_SECONDS)
        self._ranking = ranking or Ranking({})
        self._flag_events = flag_events or FlagEventChoice()
        self._measures = measures

    def add(
        self,
        batch: Sequence[Flag | SpeechStatus],
        at: float,
        drawn: Collection[str] = (),
        probability: float = 0.0,
        counted: Callable[[Tally], object] = lambda tally: None,
    ) -> list[Outcome]:
        if not batch:
            return []
        flags = [each for each in batch if isinstance(each, Flag)]
        caught = [flag for flag in flags if flag.suggestion != "pass"]
        with self._database.write() as connection:
            muted = phrase_muting.muted_flags(connection, caught)
            heard = [flag for flag in caught if flag.id not in muted]
            stored = storing.add_flags(connection, heard, at, self._merge, self._ranking) if heard else []
            self._flag_events.put(connection, heard, stored, at)
            # Muted flags are not in `stored`. The outcomes keep the order of `caught`.
            found = iter(stored)
            outcomes = [Outcome(flag.id, "", "muted") if flag.id in muted else next(found) for flag in caught]
            # Muted flags count as passed speech, so audits are drawn from them, too.
            passed = [
                _passed(each) for each in flags if (each.suggestion == "pass" or each.id in muted) and not each.early
            ]
            # A released flag was withheld before, and its audit has the id of the withheld flag.
            quality_checks.release_audits(
                connection, {case_id(replace(flag, id=first_id(flag))) for flag in heard if flag.released}
            )
            audits = [flag for flag in passed if flag.id in drawn]
            outcomes += storing.add_audits(connection, audits, at, probability, self._ranking) if audits else []
            # Words so far count with their utterance, once.
            whole = [each for each in batch if not (isinstance(each, Flag) and each.early)]
            tally = speech_tallies.count_batch(connection, whole, at, muted)
            _record_drills(connection, [each for each in whole if isinstance(each, Flag)], at)
            # Last, because it takes the lock of the audit log.
            storing.note_linked(connection, caught, outcomes[: len(caught)], at)
        counted(tally)
        return outcomes

    def standing(self, flags: Sequence[Flag]) -> list[Flag]:
        # Shorter speech was never judged before its end.
        long = {flag.id for flag in flags if flag.source == "words" and flag.end - flag.start >= EARLY_SECONDS}
        if not long:
            return list(flags)
        with self._database.read() as connection:
            return [*storing.standing(flags, storing.stored_flags(connection, long))]

    def limit_events(self) -> int:
        if not self._flag_events.suggestions:
            return 0
        with self._database.read() as connection:
            # Mostly nothing is over, and then no writer waits. `trim` counts again under its lock.
            if event_outbox.raised(connection) <= self._flag_events.most:
                return 0
        with self._database.write() as connection:
            return event_outbox.trim(connection, self._flag_events.most)

    def forget_counted(self, before: float) -> None:
        with self._database.write() as connection:
            speech_tallies.forget_counted(connection, before)

    def attach(self, clip: Evidence) -> list[str]:
        with self._database.write() as connection:
            return storing.attach(connection, clip)

    def held(self, case: str) -> bool:
        with self._database.read() as connection:
            return holds.is_held(connection, case)

    def put_off_clip(self, case: str, at: float) -> None:
        with self._database.write() as connection:
            awaited_clips.put_off(connection, case, at)

    def claim_clip(self, at: float) -> AwaitedClip | None:
        with self._database.read() as connection:
            if connection.scalar(awaited_clips.DUE, {"at": at}) is None:  # mostly so, and then no writer waits
                return None
        with self._database.write() as connection:
            return awaited_clips.claim(connection, at)

    def settle_clip(self, tried: AwaitedClip) -> None:
        with self._database.write() as connection:
            awaited_clips.settle(connection, tried)

    def awaiting_clip(self, before: float) -> list[Report]:
        with self._database.read() as connection:
            return user_reports.awaiting_clip(connection, before)

    def finish_search(self, report: Report, voices: Collection[str]) -> None:
        with self._database.write() as connection:
            user_reports.finish_search(connection, report, voices)

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
            raise CaseError(f"There is no case {prefix}", "`voxwarden cases list` shows the ids.", text="missing_case")
        if len(found) > 1:
            raise CaseError(
                f"More than one case id begins with {prefix}", "Give more characters of the id.", text="missing_case"
            )
        return found[0]

    def decide(self, case: str, moderator: str, choice: Choice, at: float) -> Decision:
        with self._database.write() as connection:
            return deciding.decide(connection, case, moderator, choice, at, measures=self._measures)

    def undo(self, case: str, moderator: str, at: float) -> Decision:
        with self._database.write() as connection:
            standing = [one.id for one in reading.decisions(connection, case) if one.undone is None]
            if not standing:
                raise CaseError(f"Case {case} has no decision", "Nothing was undone.", text="not_last")
            return deciding.undo(connection, standing[-1], moderator, at)

    def close(self) -> None:
        self._database.close()


def _record_drills(connection: Connection, flags: Sequence[Flag], at: float) -> None:
    """Write the suggestions for the test speech of drills to DRILL_LINES. They were stored at `at` (UTC seconds).

    A test utterance may be cut in two. Its most severe suggestion counts, so a flag that is delivered again changes
    nothing. Speech with the mark of an unknown drill, or in a room without a line, changes nothing.
    """
    for flag in sorted((flag for flag in flags if flag.drill), key=lambda flag: (flag.drill, flag.room)):
        rank = case_when(SEVERITY, value=DRILL_LINES.c.suggestion, else_=-1)
        worse = or_(DRILL_LINES.c.suggestion.is_(None), rank < SEVERITY[flag.suggestion])
        line = update(DRILL_LINES).where(DRILL_LINES.c.drill == flag.drill, DRILL_LINES.c.room == flag.room, worse)
        verdict = {"suggestion": flag.suggestion, "flagged": list(flag.flagged), "heard": flag.text, "stored_at": at}
        connection.execute(line.values(verdict))


def _passed(flag: Flag) -> Flag:
    """Return the flag as passed speech. Of a muted flag, the reasons say what the judge suggested."""
    return flag if flag.suggestion == "pass" else replace(flag, suggestion="pass")


def open_store(settings: Settings, must_exist: bool = False) -> SqlReviewStore:
    """Open the store that the settings name and run the missing migrations. Several processes may do so at once.

    With `must_exist`, raises ConfigError if the SQLite file does not exist; otherwise creates it.
    """
    database = Database(settings.database_url, must_exist)
    return SqlReviewStore(
        database,
        ranking=case_queue.build_ranking(settings),
        flag_events=event_outbox.build_flag_event_choice(settings),
        measures=speaker_measures.build_measures(settings),
    )
