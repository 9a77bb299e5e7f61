"""POST /v1/moderations: judge texts. Requests and answers have the shape of OpenAI's moderation API."""

import uuid
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from pipeline.base.errors import InputError
from pipeline.base.http_problems import ERRORS
from pipeline.connect.api.answers import Moderations
from pipeline.connect.api.backend import TheBackend

router = APIRouter(prefix="/v1", tags=["moderation"], responses=ERRORS)

MAX_TEXTS = 256
"""Most texts of a request: together they take less than a second of CPU."""

MAX_CHARACTERS = 100_000
"""Limit for one text."""

Words = Annotated[str, Field(max_length=MAX_CHARACTERS)]
RoomType = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]


class TextPart(BaseModel):
    """One text, in the form that OpenAI uses for inputs of several kinds."""

    model_config = ConfigDict(extra="forbid")

    type: Literal["text"]
    text: Words


class ModerationRequest(BaseModel):
    """One text, or several. `room_type` and `language` are not in OpenAI's API."""

    model_config = ConfigDict(extra="forbid")

    input: Words | Annotated[list[Words], Field(min_length=1)] | Annotated[list[TextPart], Field(min_length=1)]
    model: Annotated[str, Field(max_length=256)] | None = Field(
        None, description="ignored: the settings name the model"
    )
    room_type: RoomType = Field("default", description="type of the room, which selects rules of the policy")
    language: Annotated[str, Field(pattern="^[a-z]{2,3}$")] | None = Field(
        None, description="ISO 639-1 code; without it, the script of each text decides"
    )


@router.post("/moderations")
def moderate_texts(backend: TheBackend, body: ModerationRequest) -> Moderations:
    """Judge one or many texts. The answer has one result for each text, in order."""
    texts = _texts(body)
    if len(texts) > MAX_TEXTS:
        raise InputError(f"input: {len(texts)} texts are too many", f"Send at most {MAX_TEXTS} in one request.")
    flags = backend.moderator.texts(texts, language=body.language, room_type=body.room_type)
    results = [backend.categories.result(flag) for flag in flags]
    return Moderations(id=f"modr-{uuid.uuid4().hex}", model=flags[0].model, results=results)


def _texts(body: ModerationRequest) -> list[str]:
    given = [body.input] if isinstance(body.input, str) else body.input
    return [each if isinstance(each, str) else each.text for each in given]
