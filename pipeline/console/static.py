"""Serves the scripts and styles of the package, htmx included."""

from pathlib import Path as File
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path
from fastapi.responses import FileResponse

router = APIRouter()

FOLDER = File(__file__).parent / "static"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@router.get("/static/{name}", include_in_schema=False)
def static_file(name: Annotated[str, Path(pattern=r"^[a-z.]{1,40}$")]) -> FileResponse:
    """Return a script, a style or an icon."""
    file = FOLDER / name
    if file.suffix not in TYPES or not file.is_file():
        raise HTTPException(404, "There is no such file.")
    # "no-cache" makes the browser check the ETag each time, so that it sees an update at once.
    return FileResponse(file, media_type=TYPES[file.suffix], headers={"cache-control": "no-cache"})
