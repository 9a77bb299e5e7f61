"""The way of the newest assessment, from its opening to its final report, as the page of the indicators shows it."""

from collections.abc import Iterator
from typing import Literal

from msgspec import Struct
from sqlalchemy import Connection

from pipeline.assessment import forms, hazards
from pipeline.assessment.report import assessments
from pipeline.assessment.report.assessments import Assessment

StepName = Literal["opened", "forms", "hazards", "final"]


class AssessmentSteps(Struct, frozen=True):
    """What is done of an assessment. The store knows nothing of its way to the authorities."""

    assessment: Assessment
    answered: int
    """Required fields with an answer."""
    required: int
    hazards: int
    open_hazards: int

    def states(self) -> Iterator[tuple[StepName, Literal["done", "now", ""]]]:
        """Yield the steps: done, the first one that is not, and the later ones."""
        done: dict[StepName, bool] = {
            "opened": True,
            "forms": self.answered == self.required,
            "hazards": self.open_hazards == 0,
            "final": self.assessment.final,
        }
        current = next((name for name, finished in done.items() if not finished), None)
        for name, finished in done.items():
            yield name, "done" if finished or self.assessment.final else "now" if name == current else ""


def newest(connection: Connection) -> AssessmentSteps | None:
    """Return the steps of the assessment that was opened last; None if there is none."""
    found = next(iter(assessments.all_of(connection)), None)
    if found is None:
        return None
    needed = [each for each in forms.answers(connection, found.id) if each.field.required]
    known = hazards.all_of(connection)
    pending = [each for each in known if each.state != "closed"]
    return AssessmentSteps(found, sum(not each.missing for each in needed), len(needed), len(known), len(pending))
