"""A real PostgreSQL for tests: one server in a temporary folder, reached by a Unix socket only."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REMEDY = "apt-get install postgresql, or set VOXWARDEN_TEST_PGBIN to the folder that holds initdb"


class PostgresMissingError(RuntimeError):
    """Tests of the store need PostgreSQL; without it they fail, for a skipped test proves nothing."""


def binaries() -> Path:
    """The folder of initdb and pg_ctl."""
    if named := os.environ.get("VOXWARDEN_TEST_PGBIN"):
        return Path(named)
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if installed:
        return installed[-1].parent
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    raise PostgresMissingError(REMEDY)


class Server:
    """PostgreSQL in `folder`, which can be killed and started again with its data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs = binaries()
        # PostgreSQL refuses to run as root, as which containers often test.
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:
            os.chown(folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "tester", "-E", "UTF8", "--no-locale", "--no-sync")

    @property
    def url(self) -> str:
        """Of a database, to which others are neighbours."""
        return f"postgresql://tester@/postgres?host={self._folder}"

    def start(self) -> None:
        options = f"-k {self._folder} -h '' -F"
        self._run("pg_ctl", "-D", self._data, "-w", "-l", str(self._folder / "log"), "-o", options, "start")

    def kill(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-m", "immediate", "stop")

    @property
    def _data(self) -> str:
        return str(self._folder / "data")

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._programs / program), *arguments]
        subprocess.run(command, user=self._user, cwd=self._folder, check=True, stdout=subprocess.DEVNULL, timeout=120)


@contextmanager
def running() -> Iterator[Server]:
    """A server that has started; its folder goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="voxpg"))
    try:
        server = Server(folder)
        server.start()
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder)


@contextmanager
def server() -> Iterator[str]:
    """The URL of one."""
    with running() as made:
        yield made.url
