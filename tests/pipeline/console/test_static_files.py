"""Only the scripts, styles and icons of the package are served."""

import re

import pytest

from pipeline.console.static_files import FOLDER, HTMX, TYPES, joined, static_address
from tests.pipeline.console.conftest import Console, Enter


@pytest.mark.parametrize("name", ["../app.py", "..%2fapp.py", "app.py", "htmx.LICENSE", "x.css", ".css"])
def test_only_static_files_are_served(console: Console, enter: Enter, name: str) -> None:
    assert enter("").get(f"/static/{name}").status_code in {401, 404, 422}


def test_every_static_file_is_served_without_a_session(console: Console, enter: Enter) -> None:
    nobody = enter("")
    files = [file for file in FOLDER.iterdir() if file.suffix in TYPES]
    assert {file.suffix for file in files} == TYPES.keys()
    for file in files:
        got = nobody.get(f"/static/{file.name}")
        assert (got.status_code, got.text) == (200, joined(file.name))
        assert got.headers["content-type"] == TYPES[file.suffix]


@pytest.mark.parametrize("name", sorted(file.name for file in FOLDER.iterdir() if file.suffix in TYPES))
def test_a_file_stands_once_behind_what_it_imports(name: str) -> None:
    text = joined(name)
    assert name == HTMX or not re.search(r"^(@?import|export) ", text, re.MULTILINE)
    defined = re.findall(r"^const (\$\w+) = ", text, re.MULTILINE)
    assert len(defined) == len({*defined})
    for used in re.finditer(r"^const {.*} = (\$\w+);$", text, re.MULTILINE):
        assert f"const {used[1]} = " in text[: used.start()]


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_a_file_that_the_browser_has_is_not_sent_again(enter: Enter, encoding: str) -> None:
    nobody, asked = enter(""), {"accept-encoding": encoding}
    first = nobody.get("/static/console.css", headers=asked)
    again = nobody.get("/static/console.css", headers=asked | {"if-none-match": first.headers["etag"]})
    assert (first.headers["cache-control"], first.headers["vary"]) == ("no-cache", "Accept-Encoding")
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert nobody.get("/static/console.css", headers=asked | {"if-none-match": '"other"'}).status_code == 200


def test_files_are_packed_if_the_browser_takes_it(enter: Enter) -> None:
    nobody = enter("")
    sizes = {}
    for encoding in ("gzip, br", "br", "gzip;q=0, br"):
        with nobody.stream("GET", "/static/console.css", headers={"accept-encoding": encoding}) as got:
            sizes[encoding] = (got.headers.get("content-encoding"), len(b"".join(got.iter_raw())))
    plain = len(joined("console.css").encode())
    assert sizes["br"] == sizes["gzip;q=0, br"] == (None, plain)
    assert sizes["gzip, br"][0] == "gzip"
    assert sizes["gzip, br"][1] < plain / 3


def test_an_address_with_the_hash_is_kept_for_ever(enter: Enter) -> None:
    page = enter("").get("/login").text
    addresses = re.findall(r'(?:href|src)="(/static/[^"]+)"', page)
    assert addresses
    for found in [*addresses, static_address("dom.js")]:
        assert "immutable" in enter("").get(found).headers["cache-control"]
    # A page that was open during an update asks for the files of the old version.
    assert enter("").get("/static/0123456789abcdef/dom.js").headers["cache-control"] == "no-cache"
