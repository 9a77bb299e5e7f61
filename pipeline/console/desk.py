"""What every endpoint needs, made once for each app: the store, the audio, the texts, the clock."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from pipeline.console.texts import Texts
from pipeline.judge.labels import Labels
from pipeline.metrics import Metrics
from pipeline.review.accounts.sessions import LoginSession
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
    """UTC seconds."""


def desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def session_of(request: Request) -> LoginSession:
    """The session that the guard found; only for endpoints that ask for a role."""
    session: LoginSession = request.state.session
    return session


TheDesk = Annotated[Desk, Depends(desk_of)]
Signed = Annotated[LoginSession, Depends(session_of)]
