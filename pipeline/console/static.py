"""Our scripts and styles, and htmx: files of the package, by name."""

from pathlib import Path as File
from typing import Annotated

from fastapi import APIRouter, HTTPException, Path
from fastapi.responses import FileResponse

router = APIRouter()

FOLDER = File(__file__).parent / "static"
TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@router.get("/static/{name}", include_in_schema=False)
def static_file(name: Annotated[str, Path(pattern=r"^[a-z.]{1,40}$")]) -> FileResponse:
    file = FOLDER / name
    if file.suffix not in TYPES or not file.is_file():
        raise HTTPException(404, "There is no such file.")
    # Checked again by its ETag each time, so that an update is seen at once.
    return FileResponse(file, media_type=TYPES[file.suffix], headers={"cache-control": "no-cache"})
