"""The desk: the objects that every endpoint needs. Each app has one."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from pipeline.base.metrics import Metrics
from pipeline.console.audit_watch import ChainWatch
from pipeline.console.background_figures import Measured
from pipeline.console.policy.draft_trials import PolicyLab
from pipeline.console.texts import Texts
from pipeline.judge.labels import Labels
from pipeline.review.accounts.sign_in import LoginSession, SignIn
from pipeline.review.anchors import Anchoring
from pipeline.review.cases.measures import Measures
from pipeline.review.database import Database
from pipeline.review.evidence.store import EvidenceStore
from pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Desk:
    settings: Settings
    database: Database
    evidence: EvidenceStore
    labels: Labels
    texts: Texts
    metrics: Metrics
    clock: Callable[[], float]
    """Returns UTC seconds."""
    measured: Measured
    door: SignIn
    measures: Measures
    chain: ChainWatch
    anchoring: Anchoring
    lab: PolicyLab


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def session_of(request: Request) -> LoginSession:
    """Return the session that the guard found. Only endpoints that require a role may call this."""
    session: LoginSession = request.state.session
    return session


async def _desk(request: Request) -> Desk:
    return desk_of(request)


async def _signed(request: Request) -> LoginSession:
    return session_of(request)


# These are coroutines because FastAPI calls plain functions in a thread, which costs more than they do.
TheDesk = Annotated[Desk, Depends(_desk)]
Signed = Annotated[LoginSession, Depends(_signed)]
