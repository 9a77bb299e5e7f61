"""Notices to speakers: what a moderator found, what follows, and how to appeal, in the speaker's language.

The texts are the file `notices.yaml` of each language. A language without one gets the English texts.
"""

import math
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Annotated

from msgspec import Struct
from pydantic import AfterValidator

from pipeline.base import user_files
from pipeline.base.user_files import StrictModel
from pipeline.contract.messages import Action
from pipeline.speech import languages
from pipeline.speech.languages import FALLBACK, SHIPPED

FILE = "notices.yaml"
UNITS = (("day", 1_440), ("hour", 60), ("minute", 1))
"""Names of units, and their minutes."""
LONGEST = 2_000
"""The most characters of a notice, as in the contract (`Decision.notice`)."""


def with_places(*places: str) -> AfterValidator:
    """Check that a text has these placeholders and no others."""

    def check(text: str) -> str:
        found = {name for _, name, _, _ in Formatter().parse(text) if name is not None}
        if found != set(places):
            raise ValueError(f"must have exactly these placeholders: {', '.join(places) or 'none'}")
        return text

    return AfterValidator(check)


Fixed = Annotated[str, with_places()]
Lasting = Annotated[str, with_places("duration")]
Counted = Annotated[str, with_places("n")]


class ActionTexts(StrictModel):
    """A sentence for each action; `_for`: with a duration."""

    warn: Fixed
    mute: Fixed
    mute_for: Lasting
    remove: Fixed
    remove_for: Lasting
    close_room: Fixed


class DurationTexts(StrictModel):
    """Durations in words."""

    minute: Fixed
    minutes: Counted
    hour: Fixed
    hours: Counted
    day: Fixed
    days: Counted


class NoticeTexts(StrictModel):
    """The file `notices.yaml`."""

    found: Annotated[str, with_places("label")]
    actions: ActionTexts
    strike: Annotated[str, with_places("n", "days")]
    appeal: Fixed
    """Without the setting `measures.appeal_url`."""
    appeal_at: Annotated[str, with_places("url")]
    durations: DurationTexts
    between: Fixed
    """What stands between two sentences."""


class SpeakerMeasure(Struct, frozen=True):
    """An action against a speaker and its duration in seconds. None: the app decides how long it lasts."""

    action: Action
    duration_seconds: float | None = None

    @property
    def key(self) -> str:
        """The measure in one word, as forms send it: `mute:3600`, or `warn`."""
        return self.action if self.duration_seconds is None else f"{self.action}:{self.duration_seconds:.0f}"


def write_notice(
    measure: SpeakerMeasure, language: str, label: str, strikes: int, days: float, appeal_url: str | None
) -> str:
    """Return the notice about a measure in `language` (a code), at most LONGEST characters.

    `label` is the name of the broken rule in that language. `strikes` counts this decision, too.
    """
    texts = notice_texts(language)
    lasting = measure.duration_seconds
    action: str = getattr(texts.actions, measure.action if lasting is None else f"{measure.action}_for")
    parts = [
        texts.found.format(label=label),
        texts.strike.format(n=strikes, days=f"{days:g}"),
        action.format(duration=in_words(lasting, texts.durations)) if lasting is not None else action,
        texts.appeal_at.format(url=appeal_url) if appeal_url else texts.appeal,
    ]
    return texts.between.join(parts)[:LONGEST]


def in_words(seconds: float, texts: DurationTexts) -> str:
    """Return a duration as whole days, hours or minutes, rounded up to a minute."""
    minutes = max(1, math.ceil(seconds / 60))
    # The longest unit without a rest: 120 minutes are 2 hours, and 90 minutes stay minutes.
    name, n = next((name, minutes // length) for name, length in UNITS if minutes % length == 0)
    text: str = getattr(texts, name if n == 1 else f"{name}s")
    return text.format(n=n)


def notice_texts(language: str) -> NoticeTexts:
    """Return the texts of a language, or the English ones. Raises ConfigError for a mistake in the file."""
    return _read(languages.file(notice_language(language), FILE) or SHIPPED / FALLBACK / FILE)


def notice_language(language: str) -> str:
    """Return the language in which speakers of `language` get their notices: English if it has no texts."""
    return language if languages.file(language, FILE) else FALLBACK


def check_notices() -> None:
    """Read the texts of every language. Raises ConfigError for a mistake."""
    # All of them at the start: a mistake would otherwise show only at a decision about a speaker of that language.
    for code in languages.known():
        notice_texts(code)


@cache
def _read(path: Path) -> NoticeTexts:
    return user_files.read_user_file(path, NoticeTexts)
