"""Measures against speakers: what the ladder of the settings proposes for a case, and what the speaker is told."""

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING

from msgspec import Struct
from sqlalchemy import Connection

from pipeline.review.cases import notices, strikes
from pipeline.review.cases.notices import SpeakerMeasure
from pipeline.review.cases.strikes import Strike
from pipeline.review.cases.values import WHOLE_ROOM, Case, Choice
from pipeline.review.quality import checks
from pipeline.settings import LadderStep, Settings

if TYPE_CHECKING:
    from pipeline.judge.labels import Labels

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

    def propose(self, connection: Connection, case: Case, at: float) -> Proposal | None:
        """Return what the ladder proposes for a case at `at` (UTC seconds). None: it is about a whole room."""
        if case.speaker == WHOLE_ROOM:
            return None
        kin = checks.family(connection, case.id)
        earlier = tuple(strikes.strikes_before(connection, case, kin, self.since(at)))
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
        real = case.drill == "" and case.speaker != WHOLE_ROOM and not checks.copied(connection, case.id)
        if choice.verdict != "uphold" or not real:
            return None, ""
        number = len(strikes.strikes_before(connection, case, [case.id], self.since(at))) + 1
        if choice.action is None:
            return number, ""
        measure = SpeakerMeasure(choice.action, choice.duration_seconds)
        return number, self.notice(measure, case.language, choice.label or case.label, number)


def build_measures(settings: Settings) -> Measures:
    """Build the measures of the settings and of the label file that they name. Raises ConfigError."""
    from pipeline.judge import labels

    return Measures(settings, labels.load(settings.judge.labels))


def _ladder(steps: Sequence[LadderStep]) -> tuple[SpeakerMeasure, ...]:
    return tuple(SpeakerMeasure(step.action, step.duration_seconds) for step in steps)


def _mildest_first(measure: SpeakerMeasure) -> tuple[int, float]:
    return [plain.action for plain in PLAIN].index(measure.action), measure.duration_seconds or 0.0
