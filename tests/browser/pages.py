"""The list of all pages of the console, each with data to show."""

from collections.abc import Mapping
from datetime import date
from hashlib import sha256

from msgspec import Struct
from playwright.sync_api import Page, expect
from sqlalchemy import Connection, delete, select

from pipeline.assessment import drills, forms, hazards, register, triggers, workdays
from pipeline.assessment.drill_speech import DrillLine
from pipeline.assessment.hazards import FileProof, Finding
from pipeline.assessment.report import assessments
from pipeline.assessment.triggers import Signal
from pipeline.console.rendering import profile_href
from pipeline.contract.messages import HeardSound, Verdict
from pipeline.judge import labels
from pipeline.judge.policy_release import JudgeReport
from pipeline.review import recording_bank
from pipeline.review.accounts import accounts, api_tokens, wellness
from pipeline.review.accounts.accounts import Preferences, ViewingLimits
from pipeline.review.cases import (
    appeals,
    assigning,
    case_queue,
    deciding,
    eligibility,
    notes,
    phrase_muting,
    reading,
    user_reports,
)
from pipeline.review.cases.case_values import Choice
from pipeline.review.cases.eligibility import Skills
from pipeline.review.cases.user_reports import Complaint
from pipeline.review.policies import backtests, drafts, judge_rules, versions
from pipeline.review.policies.backtests import BacktestResult, ChangedFlag, LabelChange, Pairing, TermUse
from pipeline.review.privacy import erasure, holds
from pipeline.review.quality import drawing, quality_checks
from pipeline.review.quality.drawing import Shares
from pipeline.review.search import views
from pipeline.review.tables.core import FLAGS, LEASES
from pipeline.settings import Settings
from pipeline.sound.fingerprints.fingerprint import BannedRecording, Fingerprint, ban_of
from pipeline.sound.fingerprints.landmarks import NO_LANDMARKS
from tests.browser.conftest import NOWHERE, Stack
from tests.browser.policies import with_limit
from tests.builders import NOON, sound_flag


class Place(Struct, frozen=True, kw_only=True):
    """A page as `reader` sees it. An empty reader is not signed in. `path` names the values that `fill` returns.

    `keys` are pressed on the page at `path`; it is ready when `ready` is visible.
    """

    name: str
    endpoint: str
    path: str
    reader: str = "noor"
    keys: tuple[str, ...] = ()
    ready: str = "h1"


PLACES = (
    Place(name="sign-in", endpoint="login_page", path="/login", reader=""),
    Place(name="invitation", endpoint="invitation_page", path="/invitation/{invitation}", reader=""),
    Place(name="queue", endpoint="queue_page", path="/queue", ready=".row"),
    Place(name="case", endpoint="case_page", path="/queue", keys=("j",), ready="#decide"),
    Place(name="case-decided", endpoint="case_page", path="/cases/{decided}", ready=".decide"),
    Place(name="case-reported", endpoint="case_page", path="/cases/{reported}", ready=".decide"),
    Place(name="case-read", endpoint="case_page", path="/cases/{noted}", reader="aud", ready=".notes li"),
    Place(name="move", endpoint="queue_page", path="/queue?label=fraud", keys=("M",), ready="#move .primary"),
    Place(name="search", endpoint="search_page", path="/search?q=返利|dirt", keys=("j",), ready="#preview dl"),
    Place(name="search-wrong", endpoint="search_page", path="/search?q=colour:red", ready="main"),
    Place(name="speaker", endpoint="speaker_page", path="{speaker}"),
    Place(name="room", endpoint="room_page", path="{room}"),
    Place(name="appeals", endpoint="appeals_page", path="/appeals"),
    Place(name="appeal", endpoint="appeal_page", path="/appeals/{appeal}", ready="h2"),
    Place(name="inbox", endpoint="inbox_page", path="/inbox", reader="lea"),
    Place(name="settings", endpoint="me_page", path="/me"),
    Place(name="wellness", endpoint="wellness_page", path="/wellness", reader="ana"),
    Place(name="team", endpoint="team_page", path="/team", ready="#people-now table"),
    Place(name="team-cases", endpoint="team_cases", path="/team/cases?what=open"),
    Place(name="quality", endpoint="quality_page", path="/quality?period=day"),
    Place(name="golden", endpoint="golden_page", path="/quality/golden"),
    Place(name="adjudication", endpoint="adjudication_page", path="/quality/adjudication"),
    Place(name="feedback", endpoint="feedback_page", path="/quality/feedback", reader="ana"),
    Place(name="skills", endpoint="skills_page", path="/skills", ready="#people-now table"),
    Place(name="policies", endpoint="policies_page", path="/policies"),
    Place(name="policy-version", endpoint="policy_version", path="/policies/versions/2"),
    Place(name="policy-draft", endpoint="draft_page", path="/policies/drafts/1?view=policy", reader="lea"),
    Place(name="policy-lexicon", endpoint="draft_page", path="/policies/drafts/1?view=zh", reader="lea"),
    Place(name="policy-asked", endpoint="draft_page", path="/policies/drafts/2"),
    Place(name="recordings", endpoint="recordings_page", path="/policies/recordings", ready=".wide-table"),
    Place(name="indicators", endpoint="indicators_page", path="/assessment"),
    Place(name="indicator", endpoint="indicator_page", path="/assessment/indicators/I-06"),
    Place(name="indicator-cases", endpoint="indicator_cases", path="/assessment/indicators/I-06/cases?key=undecided"),
    Place(name="triggers", endpoint="triggers_page", path="/assessment/triggers"),
    Place(name="hazards", endpoint="hazards_page", path="/assessment/hazards"),
    Place(name="drills", endpoint="drills_page", path="/assessment/drills"),
    Place(name="drill", endpoint="drill_page", path="/assessment/drills/{drill}"),
    Place(name="register", endpoint="register_page", path="/assessment/register"),
    Place(name="register-new", endpoint="new_entry", path="/assessment/register/new?kind=incident"),
    Place(name="register-entry", endpoint="entry_page", path="/assessment/register/{entry}"),
    Place(name="forms-newest", endpoint="newest_form", path="/assessment/forms"),
    Place(name="forms", endpoint="form_page", path="/assessment/forms/{assessment}"),
    Place(name="reports", endpoint="reports_page", path="/assessment/reports"),
    Place(name="report", endpoint="report_page", path="/assessment/reports/{assessment}"),
    Place(name="report-draft", endpoint="report_preview", path="/assessment/reports/{assessment}/report.zh.html"),
    Place(name="audit", endpoint="audit_page", path="/audit"),
    Place(name="retention", endpoint="retention_page", path="/keeping"),
    Place(name="accounts", endpoint="accounts_page", path="/accounts"),
    Place(name="tokens", endpoint="tokens_page", path="/accounts/tokens"),
    Place(name="api", endpoint="api_docs", path="/docs"),
    Place(name="not-found", endpoint="", path=NOWHERE),
)
"""All pages. A place without an endpoint is an error page."""

PARTS = frozenset(
    {
        # parts of a page, which htmx loads
        *("queue_rows", "search_rows", "search_preview", "similar_cases", "propose_measure", "case_notes", "move_form"),
        *(
            "list_views",
            "people_now",
            "wellness_meter",
            "policy_judges",
            "backtest_progress",
            "figures_progress",
            "draft_progress",
        ),
        # files, streams, JSON and redirects
        *(
            "static_file",
            "case_clip",
            "quality_csv",
            "search_csv",
            "report_file",
            "report_bundle",
            "api_schema",
            "appeal_state",
        ),
        *("health", "ready", "home", "queue_live", "inbox_due", "oidc_login", "oidc_back"),
    }
)
"""The endpoints of GET that are no pages."""

HOUR, DAY = 3_600.0, 86_400.0
LABELS = labels.load_labels()
VERDICTS: tuple[Verdict, ...] = ("uphold", "uphold", "dismiss", "escalate")


def go(page: Page, stack: Stack, place: Place, values: Mapping[str, str]) -> None:
    """Open a place and wait until it is whole. Nobody has a case before, so that a key can take one."""
    with stack.database.write() as connection:
        connection.execute(delete(LEASES))
    page.goto(stack.url + place.path.format(**values))
    if place.path.startswith("/queue"):
        page.wait_for_selector("body[data-live=on]")
    for key in place.keys:
        page.keyboard.press(key)
    page.wait_for_selector(place.ready)
    expect(page.locator(".htmx-request")).to_have_count(0)


def fill(stack: Stack) -> dict[str, str]:
    """Store something for each page, with the stack's mark in each name and text of people.

    Return the values of the places' paths.
    """
    values = _cases(stack) | _people(stack) | _policies(stack) | _assessment(stack)
    _recordings(stack)
    room, speaker = f"room-1{stack.mark}", f"speaker-2{stack.mark}"
    return values | {"room": profile_href("rooms", room), "speaker": profile_href("speakers", speaker)}


def _cases(stack: Stack) -> dict[str, str]:
    """Store cases of some days: open, decided, checked twice, reported, noted, moved, muted and appealed."""
    now, mark, marked = stack.now(), stack.mark, f"noor{stack.mark}"
    with stack.database.write() as connection:
        accounts.add_account(connection, marked, "admin", now - 9 * DAY, "ada")
    _checks(stack, stack.say(3, ago=2 * DAY), now - 2 * DAY)
    old, new = stack.say(18, ago=DAY), stack.say(18)
    with stack.database.write() as connection:
        for number, case in enumerate(old):
            choice = Choice(
                verdict=VERDICTS[number % 4], reason="confirmed", note=f"Clear, and not the first time{mark}"
            )
            deciding.decide(connection, case, ("ben", "lea", marked)[number % 3], choice, now - DAY + 60 * number)
        for number, case in enumerate((new[5], new[11])):
            deciding.decide(connection, case, marked, Choice(verdict=VERDICTS[2 * number], note=mark), now - HOUR)
        deciding.decide(connection, new[2], "ana", Choice(verdict="dismiss", reason="joke", note=mark), now - HOUR)
        label, term, _ = phrase_muting.offered(connection, reading.case(connection, new[2]), now)[0]
        phrase_muting.ask_to_mute(connection, new[2], label, term, marked, now, approve=True)
        notes.add_note(connection, new[0], marked, f"@lea, he said it before. Look{mark}", now - 600)
        assigning.move(connection, new[12:14], "lea", marked, "workload", now - 300, HOUR)
        lodged = [_appeal(stack, connection, case, now) for case in (old[0], old[1], old[4])]
        appeals.settle(connection, lodged[0], "ada", Choice(verdict="dismiss", note=mark), now - HOUR, undo_seconds=10)
        order = case_queue.Ranking(dict.fromkeys(LABELS.labels, 2))
        said = Complaint(
            room=f"room-1{mark}", speaker=f"mika{mark}", reporter=f"kim{mark}", text=_words(mark), at=now - 90
        )
        report, _ = user_reports.file(connection, said, now - 60, order, 180.0)
        views.save_view(connection, marked, f"Fraud in Chinese{mark}", "queue", "label=fraud&language=zh", True, now)
        views.save_view(connection, marked, f"Insults of the week{mark}", "search", "q=dirt", True, now)
    return {"decided": old[0], "noted": new[0], "reported": report.case, "appeal": lodged[1]}


def _words(mark: str) -> str:
    return f"He insults all of us{mark}"


def _appeal(stack: Stack, connection: Connection, case: str, now: float) -> str:
    speaker = stack.store.case(case).case.speaker
    words = f"That was a line of the game, not meant{stack.mark}"
    return appeals.lodge(connection, case, speaker, words, now - 2 * HOUR, undo_seconds=10)[0].id


def _checks(stack: Stack, cases: list[str], at: float) -> None:
    """Let ben differ from ana twice. A third person settles one of the two; the other waits."""
    with stack.database.write() as connection:
        for case in cases:
            deciding.decide(connection, case, "ana", Choice(verdict="uphold", label="violence"), at + 10)
        second = drawing.draw(connection, stack.evidence, at + HOUR, Shares(1.0, 0.0), 10)
        for case, verdict in zip(second, VERDICTS[1:], strict=True):
            deciding.decide(connection, case, "ben", Choice(verdict=verdict), at + 2 * HOUR)
        third = drawing.draw(connection, stack.evidence, at + 3 * HOUR, Shares(1.0, 0.0), 10)
        choice = Choice(verdict="dismiss", reason="quote", note=f"A line of a film{stack.mark}")
        deciding.decide(connection, third[0], f"noor{stack.mark}", choice, at + 4 * HOUR)
        quality_checks.mark_golden(connection, cases[0], "lea", "uphold", at + 5 * HOUR)


def _people(stack: Stack) -> dict[str, str]:
    """Store an invitation, a token, skills, a hold, a wish for erasure, and a shift with a break."""
    now, mark = stack.now(), stack.mark
    with stack.database.write() as connection:
        accounts.add_account(connection, f"mia{mark}", "moderator", now - DAY, "ada")
        invitation = accounts.invite(connection, f"mia{mark}", now, "ada")
        api_tokens.make_token(connection, f"The app{mark}", ["appeals", "reports"], now + 90 * DAY, now, f"noor{mark}")
        eligibility.change_skills(connection, f"mia{mark}", Skills(languages=("zh",), labels=("fraud",)), "lea", now)
        holds.place_hold(connection, "speaker", f"speaker-3{mark}", f"A court asked for it{mark}", f"noor{mark}", now)
        erasure.ask_erasure(connection, f"speaker-6{mark}", f"noor{mark}", now)
        accounts.store_preferences(
            connection, "ana", Preferences(comfort=ViewingLimits(without=("sexual",), cover=True))
        )
        wellness.listen(connection, "ana", 1_200.0, now - 60)
    return {"invitation": invitation}


def _policies(stack: Stack) -> dict[str, str]:
    """Store two versions, a draft that is edited, one that waits for its approval, and the reports of two judges."""
    now, mark, marked = stack.now(), stack.mark, f"noor{stack.mark}"
    with stack.database.write() as connection:
        texts = versions.texts_now(connection, Settings())
        versions.publish(connection, texts, LABELS, f"The files{mark}", [marked], "ada", now - DAY)
        wider = with_limit(texts.policy, "fraud", 0.3)
        changed = type(texts)(wider, texts.lexicons)
        versions.publish(connection, changed, LABELS, f"Fraud from 0.3 on{mark}", ["lea"], marked, now - HOUR)
        for worker in ("judge-0", "judge-1"):
            judge_rules.store_judge_report(connection, JudgeReport(worker, 2, "default@2", now - HOUR + 14, now))
        drafts.begin_draft(connection, texts, f"Insults in English{mark}", "checked", "lea", now)
        asked = drafts.begin_draft(connection, texts, f"Back to the files{mark}", "checked", marked, now)
        run = backtests.begin_backtest(connection, asked.number, 0, marked, now)
        backtests.finish(connection, run, _result(connection), now)
        drafts.ask(connection, asked.number, marked, now)
        versions.start_shadow(connection, "stricter", changed, LABELS, marked, now - HOUR)
    return {}


def _recordings(stack: Stack) -> None:
    """Store two banned recordings. One was heard in two rooms."""
    now, mark = stack.now(), stack.mark
    first = ban_of(
        f"The anthem{mark}", f"Notice 4711 of the regulator{mark}", "terror_extremism", f"noor{mark}", now - DAY
    )
    second = ban_of(f"国歌（童声）{mark}", f"Ticket 12{mark}", "", "lea", now - HOUR)
    heard = HeardSound(kind="recording", name=first.title, reference=f"{0:016x}", score=0.9)
    with stack.database.write() as connection:
        for number, (ban, seconds) in enumerate(((first, 212.0), (second, 4_000.0))):
            recording = BannedRecording(ban=ban, seconds=seconds)
            recording_bank.add_recording(connection, Fingerprint(f"{number:016x}", recording, NO_LANDMARKS))
    flags = [
        sound_flag(name, now - 600 - NOON, now - 580 - NOON, room=f"{name}{mark}", speaker=f"dj{mark}", sound=heard)
        for name in ("attic", "cellar")
    ]
    stack.store.add(flags, now - 500)


def _result(connection: Connection) -> BacktestResult:
    """Return a result in which the verdicts of two stored flags change."""
    flags = connection.execute(select(FLAGS.c.id).order_by(FLAGS.c.id).limit(2)).scalars()
    samples = tuple(ChangedFlag(one, "review", "pass") for one in flags)
    return BacktestResult(
        cases=24,
        whole=True,
        flagged=Pairing(22, 20),
        violations=9,
        caught=Pairing(9, 8),
        harmless=5,
        false_alarms=Pairing(5, 4),
        labels=(LabelChange("fraud", Pairing(6, 4), 3, 4),),
        changed=2,
        samples=samples,
        terms=(TermUse("zh", "返利", 4, 3, 1),),
        speech=None,
        seconds=1.5,
    )


def _assessment(stack: Stack) -> dict[str, str]:
    """Store triggers, hazards, drills, an entry of the register, and an assessment with an answer."""
    now, mark, marked = stack.now(), stack.mark, f"noor{stack.mark}"
    lines = [DrillLine("zh-violence-1", "zh", "violence", f"打死你{mark}"), DrillLine("zh-clean-1", "zh", "", "你好")]
    with stack.database.write() as connection:
        signals = [Signal("3.1", f"room_type:quiz{mark}", {"first_seen_at": now}), Signal("3.4", "spread", {"n": 2})]
        first, *_ = triggers.suggest(connection, signals, workdays.calendar(), now)
        triggers.decide(connection, first.id, False, f"Only a new name{mark}", marked, now)
        scan = FileProof("notice.pdf", sha256(b"a scan").hexdigest())
        triggers.record_notice(connection, f"网信办{mark}", date(2026, 1, 5), scan, marked, workdays.calendar(), now)
        finding = Finding(source="person", about="5(4).patrol", title=f"No patrol at night{mark}", owner=marked)
        [hazard] = hazards.find_all(connection, [finding], marked, now)
        hazards.fix(connection, hazard.id, f"Two people more{mark}", marked, now)
        drill, rooms = drills.begin(connection, lines, marked, now - HOUR)
        for room in rooms:
            drills.spoken(connection, drill.id, room, now - HOUR)
        drills.order_stop(connection, [f"test-1{mark}"], marked, now)
        fields = {"title": f"The broker stood still{mark}", "severity": "high", "cause": f"A full disk{mark}"}
        entry = register.add(connection, "incident", fields, marked, now - DAY)
        made = assessments.open_one(connection, f"Harbour{mark}", assessments.default_window(now), marked, now)
        forms.answer(connection, made.id, {"service_name": f"Harbour{mark}"}, marked, now)
    return {"drill": drill.id, "entry": entry.id, "assessment": made.id}
