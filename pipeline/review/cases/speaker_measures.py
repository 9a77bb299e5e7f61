"""Measures against speakers: their strikes, what the ladder of the settings proposes, and what the speaker is told.

A strike is a case with a standing decision to uphold. Speech counts once: cases of the same room that overlap in time
are one strike, for example a flag and a report of the same words. Copies for checks and speech of drills make no
strike. An undo, an overturned appeal and a correction take the strike back, because only the verdict that stands
counts.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from sqlalchemy import Connection, Row, Select, select

from pipeline.contract.messages import Action
from pipeline.review.cases import notices
from pipeline.review.cases.case_values import WHOLE_ROOM, Case, Choice
from pipeline.review.cases.notices import SpeakerMeasure
from pipeline.review.quality import quality_checks
from pipeline.review.tables.case_tables import COPIES
from pipeline.review.tables.core import CASES, DECISIONS
from pipeline.settings import LadderStep, Settings

if TYPE_CHECKING:
    from pipeline.judge.labels import Labels

REPEAT_SECONDS = 0.5
"""Seconds that two utterances may share. An utterance that was cut for its length is repeated by so much."""


class Strike(Struct, frozen=True):
    """A strike. `at` is when its case was stored (UTC seconds)."""

    case: str
    at: float
    label: str
    action: Action | None
    duration_seconds: float | None


def count_strikes(connection: Connection, speakers: Collection[str], since: float) -> dict[str, int]:
    """Count the strikes of each of these speakers since `since` (UTC seconds). A speaker without one is left out."""
    found = connection.execute(_upheld(set(speakers) - {WHOLE_ROOM}, since))
    return {speaker: len(rows) for speaker, rows in _by_speaker(_once(found)).items()}


def strikes_before(connection: Connection, case: Case, kin: Collection[str], since: float) -> list[Strike]:
    """Return the strikes of the case's speaker since `since` (UTC seconds) for other speech, oldest first.

    `kin` are the ids of the case and of its copies.
    """
    if case.speaker == WHOLE_ROOM:
        return []
    query = _upheld([case.speaker], since).where(CASES.c.id.not_in(kin))
    others = [row for row in _once(connection.execute(query)) if not _same(row, case)]
    given = _given(connection, [row.id for row in others])
    found = [_strike(row, given[row.id]) for row in others]
    return sorted(found, key=lambda strike: (strike.at, strike.case))


def _strike(case: Row[Any], given: Row[Any]) -> Strike:
    return Strike(case.id, case.created_at, given.label or case.label, given.action, given.duration_seconds)


def _upheld(speakers: Collection[str], since: float) -> Select[Any]:
    columns = (CASES.c.id, CASES.c.speaker, CASES.c.room, CASES.c.start, CASES.c.end, CASES.c.label)
    return (
        select(*columns, CASES.c.created_at)
        .where(CASES.c.speaker.in_(speakers), CASES.c.verdict == "uphold", CASES.c.created_at >= since)
        .where(CASES.c.drill == "", CASES.c.id.not_in(COPIES))
        .order_by(CASES.c.speaker, CASES.c.room, CASES.c.start, CASES.c.id)
    )


def _once(rows: Iterable[Row[Any]]) -> list[Row[Any]]:
    """Leave out each case that overlaps the speech of the case before. The rows are in the order of `_upheld`."""
    kept: list[Row[Any]] = []
    reached = 0.0
    for row in rows:
        same = kept and (kept[-1].speaker, kept[-1].room) == (row.speaker, row.room)
        # Sweep by time: a case counts if it begins after all speech so far.
        if not same or row.start >= reached - REPEAT_SECONDS:
            kept.append(row)
            reached = row.end
        reached = max(reached, row.end)
    return kept


def _same(row: Row[Any], case: Case) -> bool:
    return bool(
        row.room == case.room and row.start < case.end - REPEAT_SECONDS and case.start < row.end - REPEAT_SECONDS
    )


def _by_speaker(rows: Iterable[Row[Any]]) -> Mapping[str, list[Row[Any]]]:
    groups: dict[str, list[Row[Any]]] = defaultdict(list)
    for row in rows:
        groups[row.speaker].append(row)
    return groups


def _given(connection: Connection, cases: Collection[str]) -> Mapping[str, Row[Any]]:
    """Return what the standing decision of each case gave."""
    if not cases:
        return {}
    query: Select[Any] = (
        select(DECISIONS.c.case_id, DECISIONS.c.label, DECISIONS.c.action, DECISIONS.c.duration_seconds)
        .where(DECISIONS.c.case_id.in_(cases), DECISIONS.c.undone.is_(None))
        .order_by(DECISIONS.c.at, DECISIONS.c.id)
    )
    return {row.case_id: row for row in connection.execute(query)}  # by time, so the last decision stays


DAY = 86_400.0
PLAIN = (SpeakerMeasure("warn"), SpeakerMeasure("mute"), SpeakerMeasure("remove"), SpeakerMeasure("close_room"))
"""The measures that a moderator can always choose; the app decides how long they last."""


class Proposal(Struct, frozen=True):
    """What the ladder proposes if the case is upheld."""

    earlier: tuple[Strike, ...]
    """The speaker's strikes for other speech that still count, oldest first."""
    ladder: tuple[SpeakerMeasure, ...]
    notice: str
    """What the speaker would be told. Empty: the ladder proposes nothing."""

    @property
    def strike(self) -> int:
        """The number of the strike that the case would make."""
        return len(self.earlier) + 1

    @property
    def measure(self) -> SpeakerMeasure | None:
        """The proposed measure. None: the ladder is empty."""
        # Beyond the last step, the last step repeats.
        return self.ladder[min(self.strike, len(self.ladder)) - 1] if self.ladder else None


class Measures:
    """The ladders of the settings, and the notices."""

    def __init__(self, settings: Settings, labels: "Labels") -> None:
        """Raises ConfigError for a ladder of an unknown label, and for a mistake in a text."""
        from pipeline.judge.labels import SEVERITIES

        chosen = settings.measures
        labels.check(chosen.labels, "measures.labels")
        notices.check_notices()
        self._labels = labels
        self._appeal_url = chosen.appeal_url
        self.days = chosen.strike_days
        """The days for which a strike counts."""
        self._ladder = _ladder(chosen.ladder)
        self._of_label = {name: _ladder(steps) for name, steps in chosen.labels.items()}
        self._of_severity = {SEVERITIES.index(name): _ladder(steps) for name, steps in chosen.severities.items()}
        ladders = [self._ladder, *self._of_label.values(), *self._of_severity.values()]
        self.choices = tuple(sorted({*PLAIN, *chain.from_iterable(ladders)}, key=_mildest_first))
        """The measures that a moderator can choose, mildest first."""

    def since(self, at: float) -> float:
        """Return the time from which strikes count at `at`. Both are UTC seconds."""
        return at - self.days * DAY

    def ladder(self, label: str, severity: int) -> tuple[SpeakerMeasure, ...]:
        """Return the ladder for a case with this label and severity (0 to 3)."""
        return self._of_label.get(label, self._of_severity.get(severity, self._ladder))

    def propose(
        self, connection: Connection, case: Case, at: float, kin: Collection[str] | None = None
    ) -> Proposal | None:
        """Return what the ladder proposes for a case at `at` (UTC seconds). None: it is about a whole room.

        `kin` are the ids of the case and of its copies, if they are known.
        """
        if case.speaker == WHOLE_ROOM:
            return None
        kin = quality_checks.family(connection, case.id) if kin is None else kin
        earlier = tuple(strikes_before(connection, case, kin, self.since(at)))
        found = Proposal(earlier, self.ladder(case.label, case.severity), "")
        if found.measure is None:
            return found
        return Proposal(
            found.earlier, found.ladder, self.notice(found.measure, case.language, case.label, found.strike)
        )

    def notice(self, measure: SpeakerMeasure, language: str, label: str, strike: int) -> str:
        """Return what a speaker of `language` (a code) is told about a measure."""
        known, language = self._labels.labels.get(label), notices.notice_language(language)
        name = known.name(language) if known else label
        return notices.write_notice(measure, language, name, strike, self.days, self._appeal_url)

    def follow(self, connection: Connection, case: Case, choice: Choice, at: float) -> tuple[int | None, str]:
        """Return the number of the strike that the choice makes, and the notice to the speaker.

        None, and an empty notice: it makes none, because the case is not upheld, about a whole room, a drill or a copy.
        """
        real = case.drill == "" and case.speaker != WHOLE_ROOM and not quality_checks.copied(connection, case.id)
        if choice.verdict != "uphold" or not real:
            return None, ""
        # Copies never count (`_upheld`), so only the case itself is left out.
        number = len(strikes_before(connection, case, [case.id], self.since(at))) + 1
        if choice.action is None:
            return number, ""
        measure = SpeakerMeasure(choice.action, choice.duration_seconds)
        return number, self.notice(measure, case.language, choice.label or case.label, number)


def build_measures(settings: Settings) -> Measures:
    """Build the measures of the settings and of the label file that they name. Raises ConfigError."""
    from pipeline.judge import labels

    return Measures(settings, labels.load_labels(settings.judge.labels))


def _ladder(steps: Sequence[LadderStep]) -> tuple[SpeakerMeasure, ...]:
    return tuple(SpeakerMeasure(step.action, step.duration_seconds) for step in steps)


def _mildest_first(measure: SpeakerMeasure) -> tuple[int, float]:
    return [plain.action for plain in PLAIN].index(measure.action), measure.duration_seconds or 0.0
