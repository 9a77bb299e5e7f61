"""The page of banned recordings: the bank with which the listen stage compares all audio."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import PurePath
from typing import Annotated

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from pipeline.base.errors import AudioError, InputError
from pipeline.console.fields import NameQuery
from pipeline.console.rendering import page
from pipeline.console.services import Services, Signed, TheServices
from pipeline.review import recording_bank
from pipeline.review.search.query import quoted
from pipeline.sound.fingerprints.fingerprint import LONGEST_LINE, Ban, ban_of, fingerprint
from pipeline.sound.fingerprints.recording_detector import LOOK_SECONDS
from pipeline.speech.audio.decode import read_stream
from pipeline.speech.audio.resample import Samples

PAGE = "/policies/recordings"
MAX_MIB = 64  # the largest upload
MAX_MINUTES = 60  # The longest recording of an upload. `voxwarden fingerprints add` takes longer and larger ones.
IDENTITY = r"^[0-9a-f]{16}$"
SHOWN = 200  # the most recordings on the page

router = APIRouter(prefix=PAGE)


@router.get("", response_class=HTMLResponse)
def recordings_page(request: Request, services: TheServices, q: NameQuery = "", added: NameQuery = "") -> Response:
    """Show the newest recordings of the bank with the words `q`. `added` is the id of the one that was just added."""
    with services.database.read() as connection:
        found, size = recording_bank.list_recordings(connection, q.strip(), SHOWN), recording_bank.bank_size(connection)
    return page(
        request,
        "recordings.html",
        recordings=found,
        size=size,
        asked=q,
        added=next((each for each in found if each.id == added), None),
        labels=list(services.labels.labels),
        longest_line=LONGEST_LINE,
        mib=MAX_MIB,
        minutes=MAX_MINUTES,
        seconds=f"{LOOK_SECONDS:g}",
        length=lambda seconds: str(timedelta(seconds=round(seconds))),
        quoted=quoted,
    )


@router.post("", status_code=204)
async def ban_recording(request: Request, services: TheServices, session: Signed) -> Response:
    """Add an uploaded recording to the bank: fields file, title, reason and label."""
    # There is no parameter for the file, so that nothing is read from the body before the guard has let it pass.
    async with request.form(max_files=1, max_fields=4) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            raise InputError("There is no file", "Choose one.", text="no_file")
        ban = _ban(services, form, file.filename, session.account.name)
        added = await run_in_threadpool(_add, services, file, ban)
    return _to(f"{PAGE}?added={added}")


@router.post("/{recording}/remove", status_code=204)
def unban_recording(
    services: TheServices, session: Signed, recording: Annotated[str, Path(pattern=IDENTITY)]
) -> Response:
    """Remove a recording from the bank. 404 if the bank does not have it."""
    with services.database.write() as connection:
        recording_bank.remove_recording(connection, recording, session.account.name, services.clock())
    return _to(PAGE)


def _ban(services: Services, form: FormData, name: str, actor: str) -> Ban:
    """Return who bans the recording and why. Without a title, it is the name of the file."""
    texts = {key: value.strip() for key, value in form.items() if isinstance(value, str)}
    label = texts.get("label", "")
    if label:
        services.labels.check([label], "label")
    # The browser sends any name. Control characters do not fit into a line of the page or the log.
    plain = "".join(letter for letter in PurePath(name).stem if letter.isprintable())[:LONGEST_LINE]
    return ban_of(texts.get("title") or plain, texts.get("reason", ""), label, actor, services.clock())


def _add(services: Services, file: UploadFile, ban: Ban) -> str:
    """Add the recording, and return its id."""
    # The fingerprint takes seconds, so it is made before the transaction.
    made = fingerprint(_blocks(file, ban), ban, MAX_MINUTES * 60.0)
    with services.database.write() as connection:
        recording_bank.add_recording(connection, made)
    return made.id


def _blocks(file: UploadFile, ban: Ban) -> Iterator[Samples]:
    try:
        yield from read_stream(file.file, file.size or 0, ban.title)
    except AudioError as error:
        raise InputError(error.what, error.remedy, text="recording_unread", title=ban.title) from error


def _to(path: str) -> Response:
    """Let the page, which sent a form by htmx, go to a path."""
    return Response(status_code=204, headers={"HX-Redirect": path})
