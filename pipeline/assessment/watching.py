"""The watch for cases of article 3: it looks for signals, and stores the new ones as triggers. Run it once a day."""

from pipeline.assessment import measure, signals, triggers
from pipeline.assessment import options as choices
from pipeline.assessment.options import DAY_SECONDS
from pipeline.assessment.report import files
from pipeline.assessment.signals import TriggerLimits
from pipeline.assessment.triggers import Trigger
from pipeline.assessment.workdays import Calendar
from pipeline.review.database import Database
from pipeline.review.quality.figure import Window
from pipeline.settings import Settings

DEFAULTS = TriggerLimits()


def watch(
    database: Database, settings: Settings, calendar: Calendar, now: float, limits: TriggerLimits = DEFAULTS
) -> list[Trigger]:
    """Return the new triggers at `now` (UTC seconds). Exposure and spread are those of the last 24 hours.

    Raises ConfigError for a limit of an unknown figure.
    """
    options = choices.build(settings)
    window = Window(now - DAY_SECONDS, now)
    with database.read() as connection:
        figures = list(measure.limited(connection, window, options, sorted(signals.SPREADING)))
        recogniser = files.recogniser(settings)
        found = list(signals.signals(connection, limits, options.illegal, now, figures, recogniser))
    with database.write() as connection:
        return triggers.suggest(connection, found, calendar, now)
