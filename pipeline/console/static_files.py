"""Serves the scripts, styles and icons of the package, htmx included.

All files are read, joined with the files that they import, and packed once, at the start. An address with the hash of
all files, `/static/<hash>/<file>`, never changes its content, so the browser keeps it. Without the hash, the browser
asks each time, and gets 304 as long as the file is the same.
"""

import gzip
import re
from functools import cache
from hashlib import sha256
from pathlib import Path as File
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from msgspec import Struct

from pipeline.console.guard import Refused

router = APIRouter()

FOLDER = File(__file__).parent / "static"
HTMX = "htmx.min.js"  # no module: it makes a global name
IMPORT = re.compile(r'^@?import (?:{ (?P<names>.+) } from )?"\./(?P<file>\w+\.(?:js|css))";\n', re.MULTILINE)
EXPORT = re.compile(r"^export const (\w+)", re.MULTILINE)
COMMENT = re.compile(r"^ *(?://.*|/\*(?:.|\n)*?\*/)\n", re.MULTILINE)
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
BEST = 9  # the level of gzip for files: they are packed only once
FOR_EVER = "public, max-age=31536000, immutable"
LEVEL = 5  # the level of gzip for pages: higher ones take twice the time and save 2 %


def gzipped(body: bytes, level: int = LEVEL) -> bytes:
    """Return the body of an answer, packed with gzip."""
    return gzip.compress(body, level, mtime=0)  # without the time, the same body gives the same bytes


class StaticFile(Struct, frozen=True):
    kind: str
    plain: bytes
    packed: bytes
    hash: str


@router.get("/static/{path:path}", include_in_schema=False)
def static_file(request: Request, path: Annotated[str, Path(pattern=r"^([0-9a-f]{16}/)?[a-z_.]{1,40}$")]) -> Response:
    """Return a script, a style or an icon; 304 if the browser has it."""
    version, _, name = path.rpartition("/")
    file = files().get(name)  # from memory: no path of a request reaches the file system
    if not file:
        raise Refused(404, "There is no such file.", "page")
    zipped = accepts_gzip(request)
    # Packed and plain bytes differ, so they must not share a tag (RFC 9110).
    etag = f'"{file.hash}{"-gzip" if zipped else ""}"'
    # "no-cache": the browser may keep the file, but asks each time. An old hash must not cache new content.
    kept = FOR_EVER if version == version_of_all() else "no-cache"
    headers = {"etag": etag, "vary": "Accept-Encoding", "cache-control": kept}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    if zipped:
        headers["content-encoding"] = "gzip"
    return Response(file.packed if zipped else file.plain, media_type=file.kind, headers=headers)


def static_address(name: str) -> str:
    """Return the address of a static file, with the hash of all files."""
    return f"/static/{version_of_all()}/{name}"


def accepts_gzip(request: Request) -> bool:
    """Tell whether the browser takes an answer that is packed with gzip."""
    parts = (
        part.replace(" ", "").lower().partition(";") for part in request.headers.get("accept-encoding", "").split(",")
    )
    # "q=0" means: not this one.
    return any(name == "gzip" and quality not in {"q=0", "q=0.0"} for name, _, quality in parts)


@cache
def files() -> dict[str, StaticFile]:
    """Return the files by name."""
    found = {file.name: joined(file.name).encode() for file in sorted(FOLDER.iterdir()) if file.suffix in TYPES}
    return {
        name: StaticFile(TYPES[File(name).suffix], content, gzipped(content, BEST), sha256(content).hexdigest()[:16])
        for name, content in found.items()
    }


def joined(name: str) -> str:
    """Return a file behind the files that it imports, without comments: a page needs few and small requests.

    Two scripts of one page that import the same module have a copy each.
    """
    parts: dict[str, str] = {}
    _add(name, parts)
    return "".join(parts.values())


def _add(name: str, parts: dict[str, str]) -> None:
    text = COMMENT.sub("", (FOLDER / name).read_text(encoding="utf-8"))
    for found in IMPORT.finditer(text):
        if found["file"] not in parts:
            _add(found["file"], parts)
    parts[name] = _scope(name, text) if name.endswith(".js") and name != HTMX else IMPORT.sub("", text)


def _scope(name: str, text: str) -> str:
    """Return a module as a constant: a function with the module's text returns the names that it exports."""
    body = EXPORT.sub(r"const \1", IMPORT.sub(_import, text))
    return f"const ${File(name).stem} = (() => {{\n{body}return {{ {', '.join(EXPORT.findall(text))} }};\n}})();\n"


def _import(found: re.Match[str]) -> str:
    names = found["names"]
    return f"const {{ {names.replace(' as ', ': ')} }} = ${File(found['file']).stem};\n" if names else ""


@cache
def version_of_all() -> str:
    return sha256("".join(file.hash for file in files().values()).encode()).hexdigest()[:16]
