"""A real PostgreSQL server for tests. It runs in a temporary folder and listens on a Unix socket only."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")  # noqa: S108 - each server makes a private folder in it
ROOM = 1 << 30
"""Free bytes of MEMORY that a server for tests needs: the databases of a few tests, and the log of changes."""

REMEDY = "apt-get install postgresql, or set VOXWARDEN_TEST_PGBIN to the folder that holds initdb"


class PostgresMissingError(RuntimeError):
    """PostgreSQL is not installed. Tests of the store then fail, because a skipped test proves nothing."""


def binaries() -> Path:
    """Return the folder of initdb and pg_ctl. Raises PostgresMissingError if there is none."""
    if named := os.environ.get("VOXWARDEN_TEST_PGBIN"):
        return Path(named)
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if installed:
        return installed[-1].parent
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    raise PostgresMissingError(REMEDY)


class Server:
    """PostgreSQL with its data in `folder`. You can kill it and start it again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._programs = binaries()
        # Containers often run tests as root, and PostgreSQL refuses to run as root.
        self._user = "nobody" if os.geteuid() == 0 else None
        if self._user:
            os.chown(folder, pwd.getpwnam(self._user).pw_uid, -1)
        self._run("initdb", "-D", self._data, "-A", "trust", "-U", "tester", "-E", "UTF8", "--no-locale", "--no-sync")

    @property
    def url(self) -> str:
        """The URL of one database of the server. The server may have more databases."""
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


def memory() -> Path | None:
    """Return a folder whose files are in memory, or None if it has no room. Containers often have 64 MB of it."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM else None


@contextmanager
def running(parent: Path | None = None) -> Iterator[Server]:
    """Start a server with its data in a new folder in `parent`, or in that of temporary files. Delete it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="voxpg", dir=parent))
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
def server(parent: Path | None = None) -> Iterator[str]:
    """Start a server, as `running` does, and yield its URL."""
    with running(parent) as made:
        yield made.url
