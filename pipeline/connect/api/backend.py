"""The objects that every endpoint needs. Each app has one backend."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from pipeline.connect.api.api_access import Program
from pipeline.connect.api.moderation_answers import Categories
from pipeline.connect.api.recording_jobs import Jobs
from pipeline.connect.api.text_queue import TextQueue
from pipeline.review.database import Database
from pipeline.runner.moderator import Moderator
from pipeline.settings import Settings


@dataclass(frozen=True, slots=True)
class Backend:
    settings: Settings
    database: Database
    moderator: Moderator
    categories: Categories
    jobs: Jobs
    texts: TextQueue
    began: float
    """When it was made, after the models were loaded, in UTC seconds."""


def backend_of(request: Request) -> Backend:
    backend: Backend = request.app.state.backend
    return backend


def program_of(request: Request) -> Program:
    """Return the program that the gate found."""
    program: Program = request.state.program
    return program


TheBackend = Annotated[Backend, Depends(backend_of)]
TheProgram = Annotated[Program, Depends(program_of)]
