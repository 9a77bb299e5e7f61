"""Access control: one table of endpoints and the roles that may call them. The guard reads it before each request.

The console does not start if an endpoint is missing in the table.
"""

from collections.abc import Mapping
from typing import Literal, get_args

from pipeline.review.accounts.accounts import Role
from pipeline.review.accounts.api_tokens import TokenScope

Caller = Role | Literal["anybody", "app"]

ANYBODY: frozenset[Caller] = frozenset({"anybody"})  # all callers, without a sign-in, too
# A program with one of `console.api_tokens`, or with a token of the page with the scope in APP_SCOPES.
APP: frozenset[Caller] = frozenset({"app"})
SIGNED_IN: frozenset[Caller] = frozenset(get_args(Role))
DECIDE: frozenset[Caller] = frozenset({"moderator", "lead", "admin"})
LEAD: frozenset[Caller] = frozenset({"lead", "admin"})
AUDIT: frozenset[Caller] = frozenset({"auditor", "lead", "admin"})
ADMIN: frozenset[Caller] = frozenset({"admin"})

# The scope that an app's token needs for an endpoint. The tokens of the settings have all of these.
APP_SCOPES: Mapping[str, TokenScope] = {
    "lodge_appeal": "appeals",
    "appeal_state": "appeals",
    "file_report": "reports",
    "confirm_action": "actions",
    "store_room_hours": "actions",
}

ACCESS: Mapping[str, frozenset[Caller]] = {
    # The keys are the names of the endpoints' functions.
    "login_page": ANYBODY,
    "login": ANYBODY,
    "oidc_login": ANYBODY,
    "oidc_back": ANYBODY,
    "static_file": ANYBODY,  # the login page needs styles and scripts
    "health": ANYBODY,  # probes have no account
    "ready": ANYBODY,
    "logout": SIGNED_IN,
    "home": SIGNED_IN,
    "api_docs": SIGNED_IN,
    "api_schema": SIGNED_IN,
    "me_page": SIGNED_IN,
    "set_preferences": SIGNED_IN,
    "set_keys": SIGNED_IN,
    "set_password": SIGNED_IN,
    "set_totp": SIGNED_IN,
    "queue_page": SIGNED_IN,
    "queue_rows": SIGNED_IN,
    "queue_live": SIGNED_IN,
    "note_viewing": SIGNED_IN,  # it tells only people who may open the case who else has it open
    "search_page": SIGNED_IN,  # like the queue, it shows transcripts
    "search_rows": SIGNED_IN,
    "search_preview": SIGNED_IN,
    "search_csv": LEAD,  # many transcripts at once leave the console
    "list_views": SIGNED_IN,
    "save_view": SIGNED_IN,
    "change_view": SIGNED_IN,
    "delete_view": SIGNED_IN,
    "speaker_page": SIGNED_IN,
    "room_page": SIGNED_IN,
    "case_page": SIGNED_IN,
    "case_notes": SIGNED_IN,
    "write_note": DECIDE,
    "inbox_page": SIGNED_IN,
    "inbox_due": SIGNED_IN,
    "set_notifications": SIGNED_IN,
    "move_form": LEAD,
    "move_cases": LEAD,
    "undo_move": LEAD,
    "skills_page": LEAD,
    "set_skills": LEAD,
    "people_now": LEAD,  # it shows what each person has
    "case_clip": DECIDE,  # everyone signed in may read a transcript, but only people who decide may listen
    "propose_measure": DECIDE,  # it changes nothing, but only the form for a decision shows it
    "clip_played": DECIDE,
    "open_case": DECIDE,
    "open_next": DECIDE,
    "retake_case": DECIDE,
    "renew_lease": DECIDE,
    "skip_case": DECIDE,
    "decide_case": DECIDE,
    "undo_decision": DECIDE,
    "correct_case": LEAD,
    "reopen_case": LEAD,
    "mute_phrase": DECIDE,
    "approve_phrase": LEAD,
    "end_phrase": LEAD,
    "similar_cases": DECIDE,
    "decide_similar": DECIDE,
    "audit_page": AUDIT,
    "accounts_page": ADMIN,
    "invite_account": ADMIN,
    "reset_password": ADMIN,
    "reset_totp": ADMIN,
    "set_role": ADMIN,
    "set_disabled": ADMIN,
    "tokens_page": ADMIN,
    "make_token": ADMIN,
    "revoke_token": ADMIN,
    "invitation_page": ANYBODY,  # the link is the secret
    "accept_invitation": ANYBODY,
    "appeals_page": SIGNED_IN,
    "appeal_page": SIGNED_IN,
    "settle_appeal": DECIDE,
    "undo_appeal": DECIDE,
    "lodge_appeal": APP,
    "appeal_state": APP,
    "file_report": APP,
    "confirm_action": APP,
    "store_room_hours": APP,
    "decide_for_coop": ANYBODY,  # Coop's signature is checked in the endpoint
    "confirm_for_coop": ANYBODY,
    "retention_page": AUDIT,
    "place_hold": LEAD,
    "release_hold": LEAD,
    "erase_speaker": ADMIN,  # it cannot be undone
    "team_page": LEAD,
    "team_cases": LEAD,
    "quality_page": LEAD,
    "quality_csv": LEAD,
    "mark_golden": LEAD,
    "golden_page": LEAD,
    "adjudication_page": LEAD,
    "feedback_page": SIGNED_IN,  # it shows only the decisions of the person who is signed in
    "indicators_page": AUDIT,
    "indicator_page": AUDIT,
    "indicator_cases": AUDIT,
    "figures_progress": AUDIT,
    "measure_figures": AUDIT,  # it reads only, and one thread measures for all
    "draft_progress": AUDIT,
    "measure_draft": AUDIT,
    "hash_file": LEAD,  # it fills in forms that only leads may send
    "triggers_page": AUDIT,
    "watch_triggers": LEAD,
    "decide_trigger": LEAD,
    "record_notice": LEAD,
    "hazards_page": AUDIT,
    "report_hazard": LEAD,
    "find_hazards": LEAD,
    "assign_hazard": LEAD,
    "recheck_hazard": LEAD,
    "step_hazard": LEAD,
    "drills_page": AUDIT,
    "drill_page": AUDIT,
    "order_stop": LEAD,
    "end_drill": LEAD,
    "register_page": AUDIT,
    "new_entry": LEAD,
    "add_entry": LEAD,
    "entry_page": AUDIT,
    "change_entry": LEAD,
    "close_entry": LEAD,
    "newest_form": AUDIT,
    "form_page": AUDIT,
    "save_answer": LEAD,
    "reports_page": AUDIT,
    "open_assessment": LEAD,
    "report_page": AUDIT,
    "report_preview": AUDIT,
    "report_file": AUDIT,
    "report_bundle": AUDIT,
    "finish_report": LEAD,
    "policies_page": AUDIT,
    "policy_judges": AUDIT,
    "policy_version": AUDIT,
    "draft_page": AUDIT,
    "backtest_progress": AUDIT,
    "begin_draft": LEAD,
    "save_draft": LEAD,
    "add_terms": LEAD,
    "add_lexicon": LEAD,
    "check_draft": LEAD,
    "try_sentence": LEAD,
    "start_backtest": LEAD,
    "cancel_backtest": LEAD,
    "ask_approval": LEAD,
    "send_draft_back": LEAD,
    "approve_draft": LEAD,  # never an author of the draft: `review/policies/drafts.py`
    "drop_draft": LEAD,
    "shadow_draft": LEAD,
    "shadow_version": LEAD,
    "end_policy_shadow": LEAD,
    "roll_back_policy": LEAD,
    "recordings_page": AUDIT,
    "ban_recording": LEAD,
    "unban_recording": LEAD,
    "wellness_page": SIGNED_IN,  # it shows only the figures of the person who is signed in
    "wellness_meter": SIGNED_IN,
    "set_comfort": SIGNED_IN,
    "listened": DECIDE,
    "take_break": DECIDE,
    "put_off_break": DECIDE,
}


def allowed(endpoint: str, role: Caller | None) -> bool:
    """Tell whether a caller with `role` may call `endpoint`; nobody may call an unknown one. None: not signed in."""
    callers = ACCESS.get(endpoint, frozenset())
    return "anybody" in callers or (role is not None and role in callers)
