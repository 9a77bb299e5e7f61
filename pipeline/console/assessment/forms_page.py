"""The pages of the fields that people fill in for the report. Each field is saved alone."""

from typing import Annotated, Any

from fastapi import APIRouter, Form, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from pipeline.assessment import forms
from pipeline.assessment.report import assessments, gather, wording
from pipeline.assessment.report.content import ITEMS, PARTS
from pipeline.base.errors import InputError
from pipeline.console.assessment.assessment_pages import AssessmentId, assessment_page, report_language
from pipeline.console.fields import NO_NUL
from pipeline.console.rendering import explain
from pipeline.console.services import Signed, TheServices

router = APIRouter(prefix="/assessment/forms")

FieldId = Annotated[str, Path(pattern="^[a-z][a-z0-9_]{0,63}$")]
Answers = Annotated[list[Annotated[str, Form(max_length=forms.MAX_TEXT, pattern=NO_NUL)]], Form(max_length=64)]


@router.get("", response_class=HTMLResponse)
def newest_form(request: Request, services: TheServices) -> Response:
    """Go to the form of the newest assessment, or say that there is none."""
    with services.database.read() as connection:
        found = assessments.all_assessments(connection)
    if found:
        return RedirectResponse(f"/assessment/forms/{found[0].id}", 303)
    return assessment_page(request, "assessment_no_form.html")


@router.get("/{assessment}", response_class=HTMLResponse)
def form_page(request: Request, services: TheServices, assessment: AssessmentId) -> Response:
    """Show the fields of an assessment by part of the report, with answers, authors and times."""
    with services.database.read() as connection:
        found = assessments.find(connection, assessment)
        answers = forms.answers(connection, assessment)
        others = assessments.all_assessments(connection)
    return assessment_page(
        request,
        "assessment_form.html",
        assessment=found,
        others=others,
        parts=[(part, [each for each in answers if each.field.part == part]) for part in PARTS],
        missing=[each for each in answers if each.missing],
        names=wording.texts(report_language(request)),
        indicators={number: gather.indicators_of(number) for number in ITEMS},
    )


@router.post("/{assessment}/{field}")
def save_answer(
    request: Request,
    services: TheServices,
    session: Signed,
    assessment: AssessmentId,
    field: FieldId,
    text: Answers = [],  # noqa: B006 - FastAPI copies it
    seen: Annotated[float, Form(ge=0, le=1e12)] = 0.0,
) -> Response:
    """Save the answer of one field, and return the field. A choice may add fields, so it loads the page again.

    `seen` is the time of the answer that the page shows; 0: none. 409 if there is another one meanwhile.
    """
    with services.database.write() as connection:
        before = next((each for each in forms.answers(connection, assessment) if each.id == field), None)
        # Two people may fill in the same form. An equal text is no conflict.
        if before and (before.at or 0.0) != seen and before.text != ",".join(text):
            return _problem(request, field, before.at, 409, answer=before)
        try:
            changed = forms.answer(
                connection, assessment, {field: ",".join(text)}, session.account.name, services.clock()
            )
        except InputError as error:
            return _problem(request, field, seen, 422, what=explain(request, error))
        answers = forms.answers(connection, assessment)
    saved = next((each for each in answers if each.id == field), None)
    # Other fields may appear or disappear with this answer.
    if saved is None or (changed and any(field in each.only_if for each in forms.form().fields.values())):
        return Response(headers={"HX-Refresh": "true"})
    return assessment_page(
        request,
        "assessment_saved.html",
        answer=saved,
        assessment_id=assessment,
        missing=[each for each in answers if each.missing],
        final=False,
    )


def _problem(request: Request, field: str, seen: float | None, status: int, **values: Any) -> Response:
    """Show below the field what is wrong, or the newer answer. The text that the person entered stays."""
    shown = assessment_page(request, "assessment_unsaved.html", status=status, seen=seen, **values)
    # The answer goes below the field. In its place, it would replace the text that the person entered.
    shown.headers.update({"HX-Retarget": f"#problem-{field}", "HX-Reswap": "innerHTML"})
    return shown
