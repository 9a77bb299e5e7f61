"""The page of one case: its facts, its transcript and its clip."""

import re
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import Connection

from pipeline.console.cases.case_timeline import case_axis, clip_sound, outline
from pipeline.console.cases.case_view import case_view
from pipeline.console.cases.marked_text import normalised
from pipeline.console.cases.queue_page import Filters, queue_values
from pipeline.console.fields import NO_NUL, WordQuery
from pipeline.console.guard import Refused
from pipeline.console.rendering import page
from pipeline.console.services import Services, Signed, TheCase, TheServices
from pipeline.contract.messages import Decision, Flag
from pipeline.judge.verdict import agreed, from_context, from_risk, manner
from pipeline.review import audit_log
from pipeline.review.accounts import accounts
from pipeline.review.accounts.sign_in import LoginSession
from pipeline.review.cases import (
    assigning,
    awaited_clips,
    case_queue,
    notes,
    notices,
    phrase_muting,
    reading,
    user_reports,
)
from pipeline.review.cases.case_values import REASONS, Case
from pipeline.review.cases.leases import Lease
from pipeline.review.cases.notes import LONGEST
from pipeline.review.cases.notices import SpeakerMeasure
from pipeline.review.cases.speaker_measures import Proposal
from pipeline.review.delivery import enforcements
from pipeline.review.evidence import clip_player

router = APIRouter(prefix="/cases")

# A reason that `pipeline/judge/verdict.py` writes for a label: its name, and the threshold that its score reached.
THRESHOLD = re.compile(r"^(\w+): score [\d.]+ reaches \w+ at ([\d.]+)(?: for the second reader \(\w+\))?$")
# The fields of an empty form. `given` is empty if nobody has filled it in, so that an action may be proposed.
NOTHING: dict[str, str] = {"label": "", "reason": "", "action": "", "note": "", "given": ""}

NoteText = Annotated[str, Form(max_length=LONGEST, pattern=NO_NUL)]


class FormChoice(Struct, frozen=True):
    """One choice. `words` has its names in every language of the console, `means` its definition."""

    value: str
    text: str
    words: str
    means: str = ""
    hint: str = ""


class FlagScore(Struct, frozen=True):
    """The score of a flagged label. `threshold` is None if no rule about scores fired."""

    label: str
    value: float
    threshold: float | None


@router.get("/{case}", response_class=HTMLResponse)
def case_page(request: Request, services: TheServices, session: Signed, case: TheCase, asked: Filters) -> Response:
    """Show a case without a lease on it, beside the queue with the filters of the request."""
    if request.path_params["case"] != case:  # the address has the first digits only
        return RedirectResponse(f"/cases/{case}{asked.query}", 303)
    values = case_values(services, case)
    with services.database.write() as connection:
        # Logged before the page is sent: nobody sees a case without a line about it.
        audit_log.append(connection, services.clock(), session.account.name, "case.view", case)
    if request.headers.get("hx-request") == "true":  # the queue is open already, so htmx needs only the case
        return page(request, "case.html", **values)
    with services.database.read() as connection:
        values |= queue_values(services, connection, session, asked)
    return page(request, "queue.html", **values)


@router.get("/{case}/clip", response_class=Response)
def case_clip(
    services: TheServices,
    session: Signed,
    case: TheCase,
    speed: Annotated[Literal["0.75", "1", "1.25", "1.5", "2"], Query()] = "1",
    ahead: Annotated[Literal["", "yes"], Query()] = "",
) -> Response:
    """Return the clip (Ogg Opus) at a speed, with the same pitch. The audit log records every request.

    The header X-Gain-dB brings the clip to the common loudness. `ahead`: the page fetches the clip of the next case
    before the person opens it. Then the log says that it was fetched, and `/played` says later that it was played.
    204 without a clip to fetch ahead.
    """
    with services.database.read() as connection:
        clips = reading.evidence(connection, case)
    data = services.evidence.get(clips[0].path) if clips else None
    picture = outline(services.evidence, clips[0]) if data else None
    if ahead and picture is None:  # the person has not asked for this clip yet, so there is nothing to complain about
        return Response(status_code=204)
    if data is None or picture is None:
        raise Refused(404, "The audio of this case is no longer kept.", "no_clip")
    _log(services, session, "case.fetch" if ahead else "case.play", case, {"speed": speed})
    sent = data if speed == "1" else _stretched(data, float(speed))
    return Response(sent, media_type="audio/ogg", headers={"x-gain-db": str(picture.gain)})


@router.get("/{case}/proposal", response_class=HTMLResponse)
def propose_measure(request: Request, services: TheServices, case: TheCase, label: WordQuery = "") -> Response:
    """Show the measure that the ladder proposes if the case gets another label."""
    with services.database.read() as connection:
        found = reading.case(connection, case)
        relabelled = replace(found, label=label or found.label, severity=_severity(services, found, label))
        proposal = services.measures.propose(connection, relabelled, services.clock())
    return page(request, "proposed.html", case=found, **proposed(services, found, proposal))


@router.post("/{case}/played", status_code=204)
def clip_played(services: TheServices, session: Signed, case: TheCase) -> Response:
    """Record that the person plays a clip that the page fetched ahead."""
    _log(services, session, "case.play", case, {"speed": "1"})
    return Response(status_code=204)


@router.get("/{case}/notes", response_class=HTMLResponse)
def case_notes(request: Request, services: TheServices, session: Signed, case: TheCase) -> Response:
    """Show the notes on a case. The reader's mentions in them count as read."""
    with services.database.write() as connection:
        notes.mark_read(connection, session.account.name, case)
        return _notes(request, connection, case)


@router.post("/{case}/notes", response_class=HTMLResponse)
def write_note(request: Request, services: TheServices, session: Signed, case: TheCase, text: NoteText) -> Response:
    """Write a note. `@name` tells a person to look."""
    with services.database.write() as connection:
        notes.add_note(connection, case, session.account.name, text, services.clock())
        return _notes(request, connection, case)


def case_values(services: Services, case: str, lease: Lease | None = None, elsewhere: bool = False) -> dict[str, Any]:
    """Return the values for `case.html`. With a `lease` of the reader, the page has the form for a decision.

    `elsewhere`: the reader holds another case in another tab, so that this page offers to take this case instead.
    """
    with services.database.read() as connection:
        found = case_view(connection, case)
        reported = user_reports.of_original(connection, found.kin[0])
        enforced = enforcements.of_case(connection, case)
        proposal = services.measures.propose(connection, found.case, services.clock(), found.kin)
        offers = phrase_muting.offered(connection, found.case, services.clock())
        clip_state = awaited_clips.state_of(connection, case)
    picture = outline(services.evidence, found.clip) if found.clip else None
    return {
        "view": found,
        "case": found.case,
        "lease": lease,
        "elsewhere": elsewhere,
        "reports": reported,
        "enforced": enforced,
        "case_id": case,
        "offers": offers,
        **proposed(services, found.case, proposal),
        "axis": case_axis(found, services.labels),
        "sound": clip_sound(found, picture),
        "clip_state": clip_state,
        "scores": scores,
        "from_context": from_context,
        "agreed": agreed,
        "manner": manner,
        "from_risk": from_risk,
        "normal_forms": {flag.id: form for flag in found.file.flags if (form := normalised(flag))},
        "decided_by": next((one for one in reversed(found.file.decisions) if one.undone is None), None),
        "form_choices": partial(form_choices, services),
        "labels": list(services.labels.labels),
        "reasons": REASONS,
        "filled": filled(found.file.decisions, lease.account) if lease else NOTHING,
        "label_definitions": services.labels.labels,
        "longest_note": LONGEST,
        "severity_of": case_queue.ranking_of(services.labels, services.settings).severity,
    }


def proposed(services: Services, case: Case, proposal: Proposal | None) -> dict[str, Any]:
    """Return the values for `proposed.html` and `strikes.html`."""
    return {
        "proposal": proposal,
        "strikes": len(proposal.earlier) if proposal else 0,
        "strike_days": services.measures.days,
        "measure_choices": services.measures.choices,
        "notice_language": notices.notice_language(case.language),
    }


def filled(decisions: Sequence[Decision], account: str) -> dict[str, str]:
    """Return the fields of the form: from the account's last decision if it is undone, otherwise empty."""
    last = decisions[-1] if decisions else None
    if last is None or last.undone is None or last.moderator != account:
        return NOTHING
    action = SpeakerMeasure(last.action, last.duration_seconds).key if last.action else ""
    return {"label": last.label or "", "reason": last.reason, "action": action, "note": last.note, "given": "yes"}


def scores(flag: Flag) -> list[FlagScore]:
    """Return the score of each flagged label, with the threshold that it reached. The rules name the thresholds."""
    reached = {found[1]: float(found[2]) for reason in flag.reasons if (found := THRESHOLD.match(reason))}
    return [FlagScore(label, flag.labels[label], reached.get(label)) for label in flag.flagged if label in flag.labels]


def form_choices(services: Services, language: str, label: str) -> dict[str, list[FormChoice]]:
    """Return the choices of each field in `language`. `label` is the case's own; an empty value keeps it."""
    say = services.texts.say
    own = _label_choice(services, language, label)
    others = [_label_choice(services, language, name) for name in services.labels.labels if name != label]
    # An empty value keeps the label of the case.
    kept = FormChoice("", own.text, own.words, own.means, say(language, "desk.as_flagged"))
    return {
        "label": [kept, *others],
        "reason": [_reason_choice(services, language, name) for name in ("none", *REASONS)],
    }


def _notes(request: Request, connection: Connection, case: str) -> Response:
    people = [one.name for one in accounts.all_accounts(connection) if not one.disabled]
    return page(
        request,
        "notes.html",
        case_id=case,
        notes=notes.notes_of(connection, case),
        assigned=assigning.assignment_of(connection, case),
        people=people,
    )


def _label_choice(services: Services, language: str, name: str) -> FormChoice:
    known = services.labels.labels.get(name)
    if known is None:
        return FormChoice(name, name, name)
    say = services.texts.say
    means = say(language, "desk.means", text=known.means.say(language))
    not_meant = say(language, "desk.not_meant", text=known.not_meant.say(language))
    # In every language: people type the name that they know, and not always in the language of the console.
    words = [name, *(known.name(other) for other in services.texts.names)]
    return FormChoice(name, known.name(language), " ".join(words).lower(), f"{means} {not_meant}")


def _reason_choice(services: Services, language: str, name: str) -> FormChoice:
    words = " ".join(services.texts.say(other, f"reason.{name}") for other in services.texts.names)
    return FormChoice("" if name == "none" else name, services.texts.say(language, f"reason.{name}"), words.lower())


def _severity(services: Services, case: Case, label: str) -> int:
    return services.labels.severity(label) if label in services.labels.labels else case.severity


def _log(services: Services, session: LoginSession, action: str, case: str, detail: dict[str, str]) -> None:
    with services.database.write() as connection:
        audit_log.append(connection, services.clock(), session.account.name, action, case, detail)


# People play the same clip again and again at their own speed, and stretching costs CPU time.
@lru_cache(maxsize=32)
def _stretched(data: bytes, speed: float) -> bytes:
    return clip_player.stretched(data, speed)
