"""Computes the SHA-256 of a file that proves something. Only the name and the hash are kept, with the form's step."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from pipeline.assessment import proofs
from pipeline.assessment.proofs import FileProof
from pipeline.base.errors import InputError
from pipeline.console.assessment.assessment_pages import show

PAGE = "/assessment/proofs"
MAX_MIB = 64
"""The largest upload. The name and hash of a larger file can be written by hand."""
MAX_NAME = 256

router = APIRouter(prefix=PAGE)


@router.post("", response_class=HTMLResponse)
async def hash_file(request: Request) -> Response:
    """Return the fields of a proof, filled in for the uploaded file."""
    # There is no parameter for the file, so that nothing is read from the body before the guard has let it pass.
    async with request.form(max_files=1, max_fields=1) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            raise InputError("There is no file", "Choose one.", text="no_file")
        proof = await run_in_threadpool(_proof, file, file.filename)
    return show(request, "assessment_proof.html", hashed=proof, required=True)


def _proof(file: UploadFile, name: str) -> FileProof:
    plain = "".join(letter for letter in name if letter.isprintable())
    return proofs.of_stream(file.file, plain[-MAX_NAME:])
