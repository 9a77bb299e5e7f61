"""The page of a draft: editor, messages, a sentence to try, difference, backtest."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from msgspec.structs import replace
from sqlalchemy import Connection, select

from pipeline.base.errors import ConfigError, InputError
from pipeline.console.cases.marked_text import TextPiece, cut, marked
from pipeline.console.fields import NO_CONTROL, NO_NUL
from pipeline.console.policy.policies_page import DraftNumber, ShaForm, TitleForm, live_now, version_of
from pipeline.console.policy.policy_difference import difference, runs
from pipeline.console.rendering import page, reader_language, redirected
from pipeline.console.services import Services, Signed, TheServices
from pipeline.contract.messages import Flag
from pipeline.judge import rule_remarks
from pipeline.judge.labels import SEVERITIES
from pipeline.judge.rule_texts import MAX_BYTES, NAME, POLICY, LexiconText, RuleTexts
from pipeline.review.accounts.sign_in import LoginSession
from pipeline.review.cases import reading
from pipeline.review.policies import backtests, drafts, versions
from pipeline.review.policies.backtests import ChangedFlag, StoredBacktest
from pipeline.review.policies.drafts import Draft
from pipeline.review.tables.core import CASES, EVIDENCE, FLAGS

router = APIRouter(prefix="/policies/drafts")

PAGE = "/policies/drafts/"
MAX_FORM_BYTES = 4 * MAX_BYTES  # a form writes each byte of a Chinese character as three
LIMIT = "I-10.share"  # the operator's limit of precision, in `assessment.limits`
HOURS = (0, 1, 6, 24)  # choices of a backtest: hours of recent speech; 0: only cases
DIFF = "diff"  # the view with the difference; no lexicon may have this name

FileForm = Annotated[str, Form(max_length=40, pattern=r"^[\w-]*$")]
FileQuery = Annotated[str, Query(max_length=40, pattern=r"^[\w-]*$")]
TextForm = Annotated[str, Form(max_length=MAX_BYTES, pattern=NO_NUL)]
SentenceForm = Annotated[str, Form(max_length=1_000, pattern=NO_NUL)]
ShortForm = Annotated[str, Form(max_length=256, pattern=NO_CONTROL)]


@dataclass(frozen=True, slots=True)
class ShownSample:
    """A stored utterance whose verdict changes."""

    changed: ChangedFlag
    flag: Flag
    case: str
    verdict: str | None
    playable: bool

    @property
    def pieces(self) -> tuple[TextPiece, ...]:
        """What was said around the first term, with the terms marked."""
        return cut(self.flag.text, self.changed.hits)


@router.post("")
def begin_draft(
    services: TheServices,
    session: Signed,
    title: TitleForm = "",
    version: Annotated[int | None, Form(ge=0, le=2**31 - 1)] = None,
) -> Response:
    """Begin a draft with the live texts, or with the texts of a version."""
    with services.database.read() as connection:
        if version is None:
            texts = versions.texts_now(connection, services.settings)
        else:
            texts = version_of(services, connection, version).texts
    state = drafts.state_of(texts, services.labels)
    with services.database.write() as connection:
        draft = drafts.begin_draft(connection, texts, title.strip(), state, session.account.name, services.clock())
    return RedirectResponse(f"/policies/drafts/{draft.number}", 303)


@router.get("/{number}", response_class=HTMLResponse)
def draft_page(
    request: Request,
    services: TheServices,
    session: Signed,
    number: DraftNumber,
    view: FileQuery = "",
    split: bool = False,
) -> Response:
    """Show a draft. Its approver sees the difference first, its authors the editor."""
    with services.database.read() as connection:
        values = _shown(services, connection, drafts.find_draft(connection, number), session.account.name, view)
    return page(request, "policy_draft.html", diff_runs=runs, beside=split and values["view"] == DIFF, **values)


@router.post("/{number}", status_code=204)
def save_draft(
    services: TheServices,
    session: Signed,
    number: DraftNumber,
    seen: ShaForm,
    file: FileForm = POLICY,
    text: TextForm = "",
    title: TitleForm = "",
    then: FileForm = "",
) -> Response:
    """Save one text of a draft, and show the text `then`. 409 if somebody else has changed the draft meanwhile."""
    draft = _found(services, number)
    _save(services, session, draft, _with(draft.texts, file, _lines(text)), title.strip(), seen)
    return redirected(f"/policies/drafts/{number}?view={then or file}")


@router.post("/{number}/terms", status_code=204)
def add_terms(
    services: TheServices,
    session: Signed,
    number: DraftNumber,
    seen: ShaForm,
    file: FileForm,
    label: ShortForm,
    level: Annotated[Literal["low", "medium", "high", "critical"], Form()],
    terms: Annotated[str, Form(max_length=4_000, pattern=NO_NUL)],
) -> Response:
    """Add terms to a lexicon: one on each line. They come first in its list of groups."""
    services.labels.check([label], "label")
    draft = _found(services, number)
    old = next((each.text for each in draft.texts.lexicons if each.name == file), "")
    texts = _with(draft.texts, file, rule_remarks.with_terms(old, label, level, terms.splitlines()))
    _save(services, session, draft, texts, draft.title, seen)
    return redirected(f"/policies/drafts/{number}?view={file}")


@router.post("/{number}/lexicons", response_class=HTMLResponse)
def add_lexicon(
    request: Request,
    services: TheServices,
    session: Signed,
    number: DraftNumber,
    seen: ShaForm,
    name: FileForm = "",
    file: FileForm = POLICY,
) -> Response:
    """Add an empty lexicon. 422 for a name that is taken or not valid: the text `file` stays in view."""
    draft = _found(services, number)
    if not NAME.fullmatch(name) or name in {POLICY, DIFF, *(each.name for each in draft.texts.lexicons)}:
        wrong = {"lexicon": services.texts.say(reader_language(request), "error.lexicon_name")}
        with services.database.read() as connection:
            values = _shown(services, connection, draft, session.account.name, file)
        typed = {"beside": False, "wrong": wrong, "lexicon_name": name}
        return page(request, "policy_draft.html", 422, diff_runs=runs, **(values | typed))
    texts = replace(draft.texts, lexicons=(*draft.texts.lexicons, LexiconText(name, "groups: []\n")))
    _save(services, session, draft, texts, draft.title, seen)
    return RedirectResponse(f"/policies/drafts/{number}?view={name}", 303)


@router.post("/{number}/check", response_class=HTMLResponse)
def check_draft(
    request: Request, services: TheServices, number: DraftNumber, file: FileForm = POLICY, text: TextForm = ""
) -> Response:
    """Check a text that is not saved yet, and show its mistakes and warnings."""
    texts = _with(_found(services, number).texts, file, _lines(text))
    return page(request, "policy_remarks.html", remarks=services.draft_trials.remarks(texts), file=file)


@router.post("/{number}/try", response_class=HTMLResponse)
def try_sentence(
    request: Request,
    services: TheServices,
    number: DraftNumber,
    sentence: SentenceForm,
    room_type: ShortForm = "",
    file: FileForm = POLICY,
    text: TextForm = "",
) -> Response:
    """Judge a sentence by the live rules and by the draft as it is on the page."""
    with services.database.read() as connection:
        draft = drafts.find_draft(connection, number)
        live, old = versions.live_version(connection), versions.texts_now(connection, services.settings)
    texts = _with(draft.texts, file, _lines(text)) if text else draft.texts
    values: dict[str, Any] = {"live": live, "draft": draft}
    if not sentence.strip():
        return page(request, "policy_tried.html", **values, state="empty")
    try:
        sides = [services.draft_trials.rules_of(each, mark) for each, mark in ((old, "live"), (texts, "draft"))]
    except ConfigError:
        return page(request, "policy_tried.html", **values, state="mistakes")
    before, after = (services.draft_trials.try_text(rules, sentence, room_type.strip() or "default") for rules in sides)
    return page(request, "policy_tried.html", **values, state="", before=before, after=after, marked=marked)


@router.post("/{number}/backtest")
def start_backtest(
    services: TheServices, session: Signed, number: DraftNumber, hours: Annotated[int, Form(ge=0, le=24)] = 0
) -> Response:
    """Begin a backtest in the background."""
    wanted = hours if services.draft_trials.reads_speech else 0
    with services.database.write() as connection:
        run = backtests.begin_backtest(connection, number, wanted, session.account.name, services.clock())
    services.draft_trials.start(run)
    return RedirectResponse(f"/policies/drafts/{number}?view={DIFF}", 303)


@router.get("/{number}/backtest", response_class=HTMLResponse)
def backtest_progress(request: Request, services: TheServices, session: Signed, number: DraftNumber) -> Response:
    """Show the progress or the result of the backtest. The page asks again while it runs."""
    with services.database.read() as connection:
        values = _shown(services, connection, drafts.find_draft(connection, number), session.account.name, DIFF)
    if values["backtest"] and not values["running"]:
        return Response(headers={"HX-Refresh": "true"})  # it has ended: other parts of the page show its result, too
    return page(request, "policy_backtest.html", **values)


@router.post("/{number}/backtest/cancel")
def cancel_backtest(services: TheServices, number: DraftNumber) -> Response:
    """End the running backtest without a result."""
    with services.database.write() as connection:
        if run := backtests.backtest_of(connection, number):
            backtests.stop(connection, run, "cancelled", services.clock())
    return RedirectResponse(f"/policies/drafts/{number}?view={DIFF}", 303)


def _found(services: Services, number: int) -> Draft:
    with services.database.read() as connection:
        return drafts.find_draft(connection, number)


def _save(services: Services, session: LoginSession, draft: Draft, texts: RuleTexts, title: str, seen: str) -> None:
    """Store new texts of a draft. They are checked before the store is locked."""
    state = drafts.state_of(texts, services.labels)
    with services.database.write() as connection:
        drafts.save(connection, draft.number, texts, title, seen, state, session.account.name, services.clock())


def _shown(services: Services, connection: Connection, draft: Draft, reader: str, view: str) -> dict[str, Any]:
    live = live_now(services, connection)
    texts = versions.texts_now(connection, services.settings)
    rows = difference(texts, draft.texts)
    names = [POLICY, *(each.name for each in draft.texts.lexicons)]
    author = reader in draft.authors
    view = view if view in {DIFF, *names} else POLICY if author and draft.open and draft.state != "asked" else DIFF
    run = backtests.backtest_of(connection, draft.number)
    # A backtest is out of date if the draft or the live version has changed since.
    current = run is not None and (run.sha256, run.against) == (
        draft.sha256,
        live["live"].number if live["live"] else 0,
    )
    result = run.result if run and run.state == "done" else None
    return {
        **live,
        "draft": draft,
        "author": author or reader == draft.asked_by,
        "view": view,
        "names": names,
        "text": _text(draft.texts, view),
        "rows": rows,
        "added": sum(row.kind == "changed" and row.new is not None for row in rows),
        "removed": sum(row.kind == "changed" and row.old is not None for row in rows),
        "remarks": services.draft_trials.remarks(draft.texts),
        "backtest": run,
        "running": bool(run and run.running(services.clock())),
        "current": current,
        "result": result,
        "limit": services.settings.assessment.limits.get(LIMIT),
        "samples": _samples(connection, run),
        "reads_speech": services.draft_trials.reads_speech,
        "hours": HOURS,
        "labels": list(services.labels.labels),
        "levels": SEVERITIES,
        "lexicon_name": "",
        "shadowed": any(each.mark == draft.marked.mark for each in versions.shadows(connection)),
    }


def _samples(connection: Connection, run: StoredBacktest | None) -> list[ShownSample]:
    """Return the changed utterances that the store still has."""
    if run is None or run.state != "done" or run.result is None:
        return []
    changed = {each.flag: each for each in run.result.samples}
    clips = select(EVIDENCE.c.path).where(EVIDENCE.c.case_id == FLAGS.c.case_id).exists()
    query = select(FLAGS, CASES.c.verdict, clips.label("playable")).join(CASES, CASES.c.id == FLAGS.c.case_id)
    rows = connection.execute(query.where(FLAGS.c.id.in_(changed)).order_by(FLAGS.c.start.desc()))
    return [
        ShownSample(changed[row.id], reading.flag_of(row), row.case_id, row.verdict, bool(row.playable)) for row in rows
    ]


def _text(texts: RuleTexts, name: str) -> str:
    if name == POLICY:
        return texts.policy
    return next((each.text for each in texts.lexicons if each.name == name), "")


def _with(texts: RuleTexts, name: str, text: str) -> RuleTexts:
    """Return the texts with one of them replaced. Raises InputError if there is none of that name."""
    if name == POLICY:
        return replace(texts, policy=text)
    if name not in {each.name for each in texts.lexicons}:
        raise InputError(f"There is no lexicon {name}", "Load the page again.", text="lexicon")
    changed = tuple(LexiconText(name, text) if each.name == name else each for each in texts.lexicons)
    return replace(texts, lexicons=changed)


def _lines(text: str) -> str:
    # Browsers send CRLF. The hash and the difference must not see other line breaks than in the files.
    return text.replace("\r\n", "\n")
