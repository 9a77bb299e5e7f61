"""POST /v1/moderations judges texts, POST /v1/audio/moderations a recording. A long recording becomes a job.

Requests for texts and their answers have the shape of OpenAI's moderation API.
"""

import hashlib
import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path as FilePath
from typing import Annotated, Literal

from fastapi import APIRouter, File, Form, Header, Path, Query, Request, Response, UploadFile
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from pipeline.base.errors import AudioError, ParameterError
from pipeline.base.http_problems import ERRORS
from pipeline.connect.api.audio_download import download
from pipeline.connect.api.backend import TheBackend, TheProgram
from pipeline.connect.api.moderation_answers import (
    AudioModeration,
    Model,
    ModelList,
    ModerationResult,
    Moderations,
    RecordingPage,
)
from pipeline.connect.api.recording_jobs import Job, Jobs
from pipeline.speech.audio.decode import duration_of

text_router = APIRouter(prefix="/v1", tags=["moderation"], responses=ERRORS)

MAX_TEXTS = 256
"""Most texts of a request."""

WAIT_SECONDS = 30.0
"""Time that a request waits for its recording, which then becomes a job. Most proxies wait for longer than this."""

MAX_CHARACTERS = 100_000
"""Limit for the texts of a request together. Without VNNI they take 13 s of a core."""

SEND_ONE = "Send either `file` or `url`, in a multipart form; with curl: -F file=@NAME."

Words = Annotated[str, Field(max_length=MAX_CHARACTERS)]
RoomType = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
recording_router = APIRouter(prefix="/v1/audio", tags=["moderation"], responses=ERRORS)

# Not the form of an id: another text is the id of no recording, and the answer is 404.
NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"
JobId = Annotated[str, Path(max_length=64, pattern=NO_CONTROL, description="id of the recording")]
FIELDS = frozenset({"file", "url", "room_type"})
"""The fields of a form with a recording."""
Key = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]*$",
        description="a new text for each recording: the same request again gives the same recording",
    ),
]


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
    language: Annotated[str, Field(max_length=256)] | None = Field(
        None,
        description="ISO 639-1 code of a language that is judged, else the answer is 400; "
        "without it, the script of each text decides",
    )


@text_router.post("/moderations")
async def moderate_texts(backend: TheBackend, program: TheProgram, body: ModerationRequest) -> Moderations:
    """Judge one or many texts. The answer has one result for each text, in order."""
    texts = _texts(body)
    if len(texts) > MAX_TEXTS:
        raise ParameterError("input", f"{len(texts)} texts are too many", f"Send at most {MAX_TEXTS} in one request.")
    if (size := sum(map(len, texts))) > MAX_CHARACTERS:
        raise ParameterError(
            "input", f"{size} characters are too many", f"Send at most {MAX_CHARACTERS} in one request."
        )

    def judge(part: Sequence[str]) -> list[tuple[str, ModerationResult]]:
        flags = backend.moderator.texts(part, language=body.language, room_type=body.room_type)
        return [(flag.model, backend.categories.result(flag)) for flag in flags]

    models, results = zip(*await backend.texts.judged(program.number, texts, judge), strict=True)
    return Moderations(id=f"modr-{uuid.uuid4().hex}", model=models[0], results=list(results))


@text_router.get("/models")
def list_models(backend: TheBackend) -> ModelList:
    """List the models of the settings. A request cannot choose one."""
    return ModelList(data=[Model(id=name, created=int(backend.began)) for name in backend.moderator.models])


def _texts(body: ModerationRequest) -> list[str]:
    given = [body.input] if isinstance(body.input, str) else body.input
    return [each if isinstance(each, str) else each.text for each in given]


@recording_router.post(
    "/moderations",
    responses={202: {"model": AudioModeration, "description": "A long recording: read its progress at `Location`."}},
)
async def moderate_recording(
    backend: TheBackend,
    program: TheProgram,
    request: Request,
    response: Response,
    file: Annotated[UploadFile | None, File(description="a recording of any format that FFmpeg opens")] = None,
    url: Annotated[
        str | None, Form(max_length=2_048, description="instead of `file`: its address, on a host of api.audio_hosts")
    ] = None,
    room_type: Annotated[str, Form(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")] = "default",
    idempotency_key: Key = None,
) -> AudioModeration:
    """Moderate a recording. The answer is 200 with the result, if that is there within half a minute.

    Else the answer is 202. `Location` is the address of the progress and the result.
    """
    # A misspelt `room_type` would moderate by the wrong rules.
    for name in (await request.form()).keys() - FIELDS:
        raise ParameterError(name, "there is no such field", "Use `file` or `url`, and `room_type`.")
    jobs = backend.jobs
    jobs.check_room(program.number)  # before the copy; `add` checks again, because others may add meanwhile
    path = jobs.new_path()
    try:
        if file is not None and url is None:
            await run_in_threadpool(_keep, file, path)
        elif url is not None and file is None:
            await download(url, path, backend.settings.api.audio_hosts)
        else:
            raise ParameterError("file", "a request has one recording", SEND_ONE)
        seconds = await run_in_threadpool(_length, path, backend.settings.api.max_audio_seconds)
        digest = await run_in_threadpool(_digest, path, room_type) if idempotency_key else None
        identity = await jobs.add(Job(program.number, path, room_type, seconds, idempotency_key, digest))
    except BaseException:  # also a cancellation: the client may hang up during the copy
        path.unlink(missing_ok=True)
        raise
    return await _answer(jobs, program.number, identity, response)


@recording_router.get("/moderations")
async def list_recordings(
    backend: TheBackend,
    program: TheProgram,
    after: Annotated[str, Query(max_length=64, pattern=NO_CONTROL, description="`next` of the page before")]
    | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> RecordingPage:
    """List the recordings that this token sent in the last hour, newest first."""
    # One recording more than the page has: it tells whether there is a next page, without a count.
    found = await backend.jobs.page(program.number, after, limit + 1)
    return RecordingPage(data=found[:limit], next=found[limit - 1].id if len(found) > limit else None)


@recording_router.get("/moderations/{job}")
async def recording_state(backend: TheBackend, program: TheProgram, job: JobId) -> AudioModeration:
    """Return the progress of a recording, and its result so far. Only the token that sent it can read it."""
    return await backend.jobs.answer(program.number, job)


@recording_router.delete("/moderations/{job}", status_code=204)
async def forget_recording(backend: TheBackend, program: TheProgram, job: JobId) -> None:
    """End the work on a recording, and forget its result."""
    await backend.jobs.remove(program.number, job)


def _keep(upload: UploadFile, path: FilePath) -> None:
    with path.open("wb") as file:
        # Starlette deletes its own file when the request ends. A job may last longer.
        shutil.copyfileobj(upload.file, file)


def _length(path: FilePath, longest: float) -> float:
    """Return the length that a recording states, or 0. Raises AudioError if it is too long."""
    seconds = duration_of(path) or 0.0
    if seconds > longest:
        raise AudioError(f"The recording has {seconds:.0f} s", f"Send at most {longest:.0f} s (api.max_audio_seconds).")
    return seconds


def _digest(path: FilePath, room_type: str) -> str:
    """Return the SHA-256 of what a request asks for."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(room_type.encode())
    return digest.hexdigest()


async def _answer(jobs: Jobs, owner: int, identity: str, response: Response) -> AudioModeration:
    await jobs.wait(identity, WAIT_SECONDS)
    found = await jobs.answer(owner, identity)
    if found.status == "failed":
        raise AudioError(found.error or "The recording cannot be read")
    response.status_code = 200 if found.status == "done" else 202
    response.headers["location"] = f"/v1/audio/moderations/{identity}"
    return found
