"""Only the scripts, styles and icons of the package are served."""

import pytest

from pipeline.console.static import FOLDER, TYPES
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
        assert (got.status_code, got.content) == (200, file.read_bytes())
        assert got.headers["content-type"].partition(";")[0] == TYPES[file.suffix]
        # The browser asks each time, so that it sees an update at once.
        assert got.headers["cache-control"] == "no-cache"
