"""Saved views: searches and filters of the queue under a name. Each function runs in a transaction of the caller.

A view is a query string of a page. It shows its reader only what that person may see there.
"""

import uuid
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct
from sqlalchemy import Connection, Row, delete, func, insert, or_, select, update

from pipeline.base.errors import CaseError, Missing
from pipeline.review.database import fields_of
from pipeline.review.tables.case_tables import VIEWS

ViewPage = Literal["search", "queue"]

MOST = 50
"""The most views of one account."""


class SavedView(Struct, frozen=True, kw_only=True):
    """A saved view of `account`. If it is `shared`, the whole team sees it. `created_at` is UTC seconds."""

    id: str
    account: str
    name: Annotated[str, Meta(min_length=1, max_length=64)]
    page: ViewPage
    query: Annotated[str, Meta(max_length=4_000)]
    shared: bool
    created_at: float

    @property
    def href(self) -> str:
        """The address of the view in the console."""
        return f"/{self.page}?{self.query}"


def save_view(
    connection: Connection, account: str, name: str, page: ViewPage, query: str, shared: bool, at: float
) -> SavedView:
    """Save a view. Raises CaseError if it has no name, or if the account has MOST views."""
    view = SavedView(
        id=str(uuid.uuid4()), account=account, name=_name(name), page=page, query=query, shared=shared, created_at=at
    )
    # No lock: two requests of one person may save one too many, which harms nothing.
    mine = select(func.count()).select_from(VIEWS).where(VIEWS.c.account == account)
    if connection.execute(mine).scalar_one() >= MOST:
        raise CaseError(f"You have {MOST} saved views", "Delete one first.", text="views_full")
    connection.execute(insert(VIEWS).values(msgspec.structs.asdict(view)))
    return view


def visible(connection: Connection, account: str, page: ViewPage) -> list[SavedView]:
    """Return the views of a page that the account owns or the team shares: one's own first, then by name."""
    query = select(VIEWS).where(VIEWS.c.page == page, or_(VIEWS.c.account == account, VIEWS.c.shared))
    query = query.order_by(VIEWS.c.account != account, VIEWS.c.name, VIEWS.c.id).limit(4 * MOST)
    return [_view(row) for row in connection.execute(query)]


def change_view(connection: Connection, identity: str, account: str, name: str, shared: bool) -> SavedView:
    """Rename or share a view, and return it.

    Raises Missing unless the account owns it, and CaseError without a name.
    """
    view = _own(connection, identity, account)
    connection.execute(update(VIEWS).where(VIEWS.c.id == identity).values(name=_name(name), shared=shared))
    return view


def remove_view(connection: Connection, identity: str, account: str) -> SavedView:
    """Delete a view, and return it as it was. Raises Missing unless the account owns it."""
    view = _own(connection, identity, account)
    connection.execute(delete(VIEWS).where(VIEWS.c.id == identity))
    return view


def _own(connection: Connection, identity: str, account: str) -> SavedView:
    row = connection.execute(select(VIEWS).where(VIEWS.c.id == identity, VIEWS.c.account == account)).one_or_none()
    if row is None:
        raise Missing("There is no such view of yours", "Only who saved a view can change it.")
    return _view(row)


def _view(row: Row[Any]) -> SavedView:
    return msgspec.convert(fields_of(row), SavedView)


def _name(given: str) -> str:
    name = " ".join(given.split())[:64]
    if not name:
        raise CaseError("The view has no name", "Give it one.", text="view_name")
    return name
