"""Drafts of the policy: edited, checked, backtested, asked for approval, and published by a second person.

Each function runs in a transaction that the caller opened, and writes its line of the audit log last.
"""

from typing import Any, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, func, insert, select, update

from pipeline.base.errors import CaseError, ConfigError, Involved, Missing, Stale
from pipeline.judge.labels import Labels
from pipeline.judge.policy_release import MarkedTexts
from pipeline.judge.rule_texts import RuleTexts, compiled
from pipeline.review import audit_log
from pipeline.review.database import fields_of
from pipeline.review.policies import versions
from pipeline.review.policies.versions import PublishedPolicy
from pipeline.review.tables.policy_tables import POLICY_BACKTESTS, POLICY_DRAFTS

CheckedState = Literal["edited", "checked"]
DraftState = CheckedState | Literal["backtested", "asked", "published", "dropped"]
OPEN: tuple[DraftState, ...] = ("edited", "checked", "backtested", "asked")

MAX_OPEN = 20
"""Maximum number of open drafts."""


class Draft(Struct, frozen=True):
    """A draft. Every save of other texts puts it back to `edited` or `checked`."""

    number: int
    title: str
    texts: RuleTexts
    sha256: str
    authors: tuple[str, ...]
    """Everybody who has edited it, in the order of their last edit. None of them may approve it."""
    state: DraftState
    edited_at: float
    """UTC seconds."""
    asked_by: str | None = None
    asked_at: float | None = None
    version: int | None = None
    """The version that it became."""

    @property
    def open(self) -> bool:
        return self.state in OPEN

    @property
    def marked(self) -> MarkedTexts:
        """Its texts as a shadow policy."""
        return MarkedTexts(f"draft-{self.number}-{self.sha256[:8]}", self.texts)


def begin_draft(
    connection: Connection, texts: RuleTexts, title: str, state: CheckedState, actor: str, at: float
) -> Draft:
    """Begin a draft with `texts`. Raises CaseError if there are MAX_OPEN already."""
    versions.lock(connection)
    open_now = connection.scalar(select(func.count()).where(POLICY_DRAFTS.c.state.in_(OPEN))) or 0
    if open_now >= MAX_OPEN:
        raise CaseError(f"There are {MAX_OPEN} open drafts already", "Drop or publish one first.", text="policy_drafts")
    # Under the lock, so that no two drafts get one number.
    number = (connection.scalar(select(func.max(POLICY_DRAFTS.c.number))) or 0) + 1
    draft = Draft(number, title, texts, texts.sha256, (actor,), state, at)
    connection.execute(insert(POLICY_DRAFTS).values(msgspec.to_builtins(draft)))
    audit_log.append(connection, at, actor, "policy.draft", str(number), {"sha256": draft.sha256, "title": title})
    return draft


def save(
    connection: Connection,
    number: int,
    texts: RuleTexts,
    title: str,
    seen: str,
    state: CheckedState,
    actor: str,
    at: float,
) -> Draft:
    """Store new texts and the title. Texts with mistakes are kept, too. `state` belongs to the texts.

    `seen` is the SHA-256 of the texts that the person began with. Raises Stale if somebody else has changed them.
    """
    versions.lock(connection)
    draft = _open(connection, number)
    if draft.sha256 != seen:
        raise Stale(
            f"{draft.authors[-1]} has changed this draft meanwhile",
            "Copy your text, and load the page again.",
            text="policy_draft_changed",
            name=draft.authors[-1],
        )
    if (texts, title) == (draft.texts, draft.title):
        return draft
    authors = (*(name for name in draft.authors if name != actor), actor)
    changed = texts != draft.texts
    values: dict[str, Any] = {"title": title, "authors": authors, "edited_at": at}
    # Another title alone keeps the backtest and the request for approval.
    values["state"] = state if changed else draft.state
    values |= {"texts": msgspec.to_builtins(texts), "sha256": texts.sha256}
    values |= {"asked_by": None, "asked_at": None} if changed else {}
    _change(connection, number, values)
    audit_log.append(connection, at, actor, "policy.edit", str(number), {"sha256": texts.sha256, "title": title})
    return find_draft(connection, number)


def ask(connection: Connection, number: int, actor: str, at: float) -> Draft:
    """Ask for approval. Raises CaseError if the texts are not backtested against the live version."""
    versions.lock(connection)
    draft = _open(connection, number)
    _check_backtested(connection, draft)
    _change(connection, number, {"state": "asked", "asked_by": actor, "asked_at": at})
    audit_log.append(connection, at, actor, "policy.ask", str(number), {"sha256": draft.sha256})
    return find_draft(connection, number)


def approve(
    connection: Connection, number: int, seen: str, live: int, labels: Labels, actor: str, at: float
) -> PublishedPolicy:
    """Publish a draft that waits for approval. It is live at once.

    `seen` and `live` are the SHA-256 and the live version that the approver's page showed. Raises Involved if the
    approver has edited the draft or asked for its approval, and Stale if the page is old.
    """
    versions.lock(connection)
    draft = _open(connection, number)
    # Four eyes: nobody approves their own text.
    if actor in (*draft.authors, draft.asked_by):
        raise Involved("You have edited this draft", "Another person approves it.", text="policy_own_draft")
    if draft.state != "asked":
        raise CaseError(
            "Nobody has asked for the approval of this draft", "Let an author ask.", text="policy_not_asked"
        )
    current = versions.live_version(connection)
    # The approver must have seen these very texts, beside the version that they replace.
    if draft.sha256 != seen or (current.number if current else 0) != live:
        raise Stale("The draft or the live version has changed", "Look at the difference again.", text="policy_moved")
    _check_backtested(connection, draft)
    made = versions.publish(connection, draft.texts, labels, draft.title, draft.authors, actor, at)
    _change(connection, number, {"state": "published", "version": made.number})
    detail = {"draft": number, "authors": draft.authors, "sha256": made.sha256, "from": live, "policy": made.version}
    audit_log.append(connection, at, actor, "policy.publish", str(made.number), detail)
    return made


def send_back(connection: Connection, number: int, actor: str, at: float, note: str = "") -> Draft:
    """Take the request for approval back, or refuse it. The draft can be edited and asked for again."""
    versions.lock(connection)
    draft = _open(connection, number)
    if draft.state != "asked":
        raise CaseError(
            "Nobody has asked for the approval of this draft", "Load the page again.", text="policy_not_asked"
        )
    _change(connection, number, {"state": "backtested", "asked_by": None, "asked_at": None})
    audit_log.append(connection, at, actor, "policy.back", str(number), {"sha256": draft.sha256, "note": note})
    return find_draft(connection, number)


def drop(connection: Connection, number: int, actor: str, at: float) -> None:
    """Give a draft up. Its texts stay in the store."""
    versions.lock(connection)
    draft = _open(connection, number)
    _change(connection, number, {"state": "dropped", "asked_by": None, "asked_at": None})
    audit_log.append(connection, at, actor, "policy.drop", str(number), {"sha256": draft.sha256})


def backtested(connection: Connection, number: int, sha256: str) -> None:
    """Note that the texts with this hash were backtested. Does nothing if they have changed meanwhile."""
    # Only from `checked`: a backtest again must not take a request for approval back.
    same = (POLICY_DRAFTS.c.number == number, POLICY_DRAFTS.c.sha256 == sha256, POLICY_DRAFTS.c.state == "checked")
    connection.execute(update(POLICY_DRAFTS).where(*same).values(state="backtested"))


def find_draft(connection: Connection, number: int) -> Draft:
    """Return a draft. Raises Missing."""
    row = connection.execute(select(POLICY_DRAFTS).where(POLICY_DRAFTS.c.number == number)).one_or_none()
    if row is None:
        raise Missing(f"There is no draft {number}", "Choose one of the list.")
    return _draft_of(row)


def opened(connection: Connection) -> list[Draft]:
    """Return the open drafts. The last edited one comes first."""
    query = select(POLICY_DRAFTS).where(POLICY_DRAFTS.c.state.in_(OPEN))
    ordered = query.order_by(POLICY_DRAFTS.c.edited_at.desc(), POLICY_DRAFTS.c.number.desc())
    return [_draft_of(row) for row in connection.execute(ordered)]


def _open(connection: Connection, number: int) -> Draft:
    draft = find_draft(connection, number)
    if not draft.open:
        raise CaseError(f"Draft {number} is {draft.state}", "Begin a new draft.", text="policy_draft_over")
    return draft


def _check_backtested(connection: Connection, draft: Draft) -> None:
    live = versions.live_version(connection)
    wanted = (draft.sha256, live.number if live else 0, "done")
    columns = (POLICY_BACKTESTS.c.sha256, POLICY_BACKTESTS.c.against, POLICY_BACKTESTS.c.state)
    found = connection.execute(select(*columns).where(POLICY_BACKTESTS.c.draft == draft.number)).one_or_none()
    if draft.state == "edited" or found is None or tuple(found) != wanted:
        raise CaseError(
            "These texts are not backtested against the live version",
            "Run the backtest first.",
            text="policy_not_backtested",
        )


def state_of(texts: RuleTexts, labels: Labels) -> CheckedState:
    """Check texts. Large ones take a second, so callers do it before they lock the store."""
    try:
        compiled(texts, labels, "draft")
    except ConfigError:
        return "edited"
    return "checked"


def _change(connection: Connection, number: int, values: dict[str, Any]) -> None:
    connection.execute(update(POLICY_DRAFTS).where(POLICY_DRAFTS.c.number == number).values(values))


def _draft_of(row: Any) -> Draft:
    return Draft(**fields_of(row) | {"texts": msgspec.convert(row.texts, RuleTexts), "authors": tuple(row.authors)})
