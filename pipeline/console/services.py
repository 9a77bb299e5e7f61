"""The objects that every endpoint needs: settings, stores, texts, clock. Each app has one of each."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Connection

from pipeline.base.metrics import Metrics
from pipeline.console.background_figures import BackgroundFigures
from pipeline.console.console_texts import Texts
from pipeline.console.fields import CaseId
from pipeline.console.policy.draft_trials import DraftTrials, RecentSpeech
from pipeline.judge import labels
from pipeline.judge.labels import Labels
from pipeline.review.accounts import wellness
from pipeline.review.accounts.sign_in import LoginSession, PasswordChecker
from pipeline.review.accounts.wellness import Meter
from pipeline.review.audit_watch import Anchoring, ChainWatch
from pipeline.review.cases import eligibility, reading
from pipeline.review.cases.speaker_measures import Measures
from pipeline.review.database import Database
from pipeline.review.evidence.evidence_store import EvidenceStore, open_evidence
from pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    settings: Settings
    database: Database
    evidence: EvidenceStore
    labels: Labels
    texts: Texts
    metrics: Metrics
    clock: Callable[[], float]
    """Returns UTC seconds."""
    background: BackgroundFigures
    password_checker: PasswordChecker
    measures: Measures
    audit_watch: ChainWatch
    anchoring: Anchoring
    draft_trials: DraftTrials


def open_services(
    settings: Settings,
    database: Database,
    clock: Callable[[], float] = time.time,
    metrics: Metrics | None = None,
    speech: RecentSpeech | None = None,
) -> Services:
    """Make the services from the settings. `clock` returns UTC seconds.

    Backtests of policies read `speech`, if it is given. Raises ConfigError for a wrong label file, for a limit of an
    unknown figure, and without the key for anchors.
    """
    known = labels.load_labels(settings.judge.labels)
    metrics = metrics or Metrics()
    return Services(
        settings,
        database,
        open_evidence(settings),
        known,
        Texts(),
        metrics,
        clock,
        BackgroundFigures(database, settings, known, clock),
        PasswordChecker(database, clock),
        Measures(settings, known),
        ChainWatch(database, metrics, clock),
        Anchoring(database, settings, clock),
        DraftTrials(settings, database, known, clock, speech),
    )


def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


def session_of(request: Request) -> LoginSession:
    """Return the session that the guard found. Only endpoints that require a role may call this."""
    session: LoginSession = request.state.session
    return session


async def _services(request: Request) -> Services:
    return services_of(request)


# These are coroutines because FastAPI calls plain functions in a thread, which costs more than they do.
TheServices = Annotated[Services, Depends(_services)]


async def _signed(request: Request) -> LoginSession:
    return session_of(request)


Signed = Annotated[LoginSession, Depends(_signed)]


def load_of(services: Services, connection: Connection, session: LoginSession) -> Meter:
    """Return the load of the person who is signed in."""
    return wellness.meter(connection, session.account.name, session.account.preferences.comfort, services.clock())


def _case(services: TheServices, session: Signed, case: CaseId) -> str:
    """Return the id of the case in the path, which may have its first digits only, as the pages show them.

    Raises Missing (404), and Involved (403) for a party to the case.
    """
    with services.database.read() as connection:
        case = reading.full_id(connection, case)
        eligibility.check_party(connection, reading.case(connection, case), session.account.name)
    return case


TheCase = Annotated[str, Depends(_case)]
"""The id of a case that exists. The person who is signed in neither speaks in it nor reported it.

Each endpoint with a case in its path takes it, so that no endpoint forgets the check.
"""
