"""The table of roles and endpoints, tested by requests."""

import re
from typing import get_args

import httpx
import pytest
from fastapi.routing import APIRoute

from pipeline.console.access_table import ACCESS
from pipeline.console.console_app import ROUTERS
from pipeline.review import audit_log
from pipeline.review.accounts.accounts import Role
from pipeline.review.cases import notes
from tests.builders import NOON, flag
from tests.pipeline.console.conftest import Console, Enter
from tests.pipeline.review.people import PEOPLE

ROUTES = sorted(
    (route.name, method, route.path)
    for router in ROUTERS
    for route in router.routes
    if isinstance(route, APIRoute)
    for method in route.methods or ()
)
STREAMS = {"queue_live"}
"""Endpoints whose answers do not end by themselves."""

# Written by hand from the purpose of each role, and not derived from the table under test.
READS = {
    "feedback_page",
    "home",
    "queue_page",
    "queue_rows",
    "queue_live",
    "note_viewing",
    "case_page",
    "me_page",
    "set_preferences",
    "set_password",
    "set_keys",
}
READS |= {"set_totp", "logout", "api_docs", "api_schema", "wellness_page", "wellness_meter", "set_comfort"}
READS |= {"search_page", "search_rows", "search_preview", "speaker_page", "room_page"}
READS |= {"list_views", "save_view", "change_view", "delete_view"}
READS |= {"appeals_page", "appeal_page", "case_notes", "inbox_page", "inbox_due", "set_notifications"}
DECIDES = {
    "mute_phrase",
    "propose_measure",
    "open_case",
    "open_next",
    "retake_case",
    "renew_lease",
    "skip_case",
    "decide_case",
    "undo_decision",
}
DECIDES |= {"similar_cases", "decide_similar", "case_clip", "clip_played", "listened", "take_break", "put_off_break"}
DECIDES |= {"settle_appeal", "undo_appeal"}
LEADS = {
    "approve_phrase",
    "correct_case",
    "reopen_case",
    "end_phrase",
    "team_page",
    "team_cases",
    "quality_page",
    "golden_page",
    "adjudication_page",
    "quality_csv",
    "search_csv",
    "mark_golden",
    "place_hold",
    "release_hold",
}
LEADS |= {"decide_trigger", "record_notice", "report_hazard", "find_hazards", "assign_hazard", "recheck_hazard"}
LEADS |= {"hash_file", "move_form", "move_cases", "undo_move", "skills_page", "set_skills", "people_now"}
DECIDES |= {"write_note"}
LEADS |= {"order_stop", "end_drill", "new_entry", "add_entry", "change_entry", "close_entry"}
LEADS |= {"step_hazard", "watch_triggers", "save_answer", "open_assessment", "finish_report"}
AUDITS = {"audit_page", "retention_page", "indicators_page", "indicator_page", "triggers_page", "hazards_page"}
AUDITS |= {
    "indicator_cases",
    "figures_progress",
    "measure_figures",
    "draft_progress",
    "measure_draft",
    "drills_page",
    "drill_page",
    "register_page",
    "entry_page",
    "newest_form",
    "form_page",
    "reports_page",
    "report_page",
    "report_preview",
    "report_file",
    "report_bundle",
}
AUDITS |= {"policies_page", "policy_judges", "policy_version", "draft_page", "backtest_progress"}
LEADS |= {"begin_draft", "save_draft", "add_terms", "add_lexicon", "check_draft", "try_sentence", "drop_draft"}
LEADS |= {"start_backtest", "cancel_backtest", "ask_approval", "send_draft_back", "approve_draft", "shadow_draft"}
LEADS |= {"shadow_version", "end_policy_shadow", "roll_back_policy"}
AUDITS |= {"recordings_page"}
LEADS |= {"ban_recording", "unban_recording"}
ADMINS = {
    "erase_speaker",
    "accounts_page",
    "invite_account",
    "reset_password",
    "reset_totp",
    "set_role",
    "set_disabled",
    "tokens_page",
    "make_token",
    "revoke_token",
}
OPEN = {
    "invitation_page",
    "accept_invitation",
    "login_page",
    "login",
    "oidc_login",
    "oidc_back",
    "static_file",
    "health",
    "ready",
}
APPS = {"lodge_appeal", "appeal_state", "file_report", "confirm_action", "store_room_hours"}
SIGNED = {"decide_for_coop", "confirm_for_coop"}
"""Endpoints that check a signature. They refuse all others, signed in or not."""
EXPECTED: dict[Role, set[str]] = {
    "moderator": READS | DECIDES,
    "lead": READS | DECIDES | LEADS | AUDITS,
    "auditor": READS | AUDITS,
    "admin": READS | DECIDES | LEADS | AUDITS | ADMINS,
}
WHO = {role: name for name, role in PEOPLE.items()}


def path_of(template: str) -> str:
    return re.sub(r"\{\w+\}", "0", template)


def status(client: httpx.Client, method: str, path: str) -> int:
    with client.stream(method, path_of(path)) as response:
        return response.status_code


def test_every_endpoint_is_in_the_table() -> None:
    assert {name for name, _, _ in ROUTES} | {"health", "ready"} == ACCESS.keys()
    assert set().union(OPEN, APPS, SIGNED, *EXPECTED.values()) == ACCESS.keys()


@pytest.mark.parametrize("role", get_args(Role))
def test_each_role_reaches_only_its_endpoints(console: Console, enter: Enter, role: Role) -> None:
    for name, method, path in ROUTES:
        client = enter(WHO[role])
        got = status(client, method, path)
        allowed = name in EXPECTED[role] | OPEN
        assert (got != 403) == allowed, f"{role} {method} {path} got {got}"
        assert got not in {401, 500}


def test_without_a_session_only_open_endpoints_answer(console: Console, enter: Enter) -> None:
    for name, method, path in ROUTES:
        with enter("").stream(method, path_of(path)) as response:
            if name in OPEN:
                assert response.status_code != 401
            elif name in SIGNED:
                assert response.status_code == 403
            else:
                assert (response.status_code, b"".join(response.iter_raw())) == (401, b'{"detail":"Sign in first."}')


@pytest.mark.parametrize(("party", "other"), [("ana", "ben"), ("lea", "ada")])
def test_a_party_to_a_case_reaches_nothing_of_it(console: Console, enter: Enter, party: str, other: str) -> None:
    [made] = console.store.add([flag("f", speaker=party, text="我要弄死你")], NOON)
    with console.database.write() as connection:
        notes.add_note(connection, made.case, other, "we decide on Monday", NOON)
        before = audit_log.verify_chain(connection).last
    of_case = [(name, method, path.replace("{case}", made.case)) for name, method, path in ROUTES if "{case}" in path]
    for name, method, path in of_case:
        refused = enter(party).request(method, path, data={"text": "mine"} if method == "POST" else None)
        assert (refused.status_code, "弄死" in refused.text, "Monday" in refused.text) == (403, False, False), name
    with console.database.read() as connection:
        assert [note.author for note in notes.notes_of(connection, made.case)] == [other]
        assert audit_log.verify_chain(connection).last == before
    for name, method, path in of_case:
        if name in EXPECTED[PEOPLE[other]]:
            assert status(enter(other), method, path) != 403, name


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/assessment/drills", '<form method="post" hx-boost'),
        ("/assessment/triggers", "Enter a written notice"),
        ("/keeping", "/keeping/holds"),
        ("/keeping", "/keeping/erasures"),
    ],
)
def test_an_auditor_gets_pages_without_the_forms(enter: Enter, path: str, form: str) -> None:
    assert form in enter("ada").get(path).text
    assert form not in enter("aud").get(path).text
