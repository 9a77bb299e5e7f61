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


@contextmanager
def server() -> Iterator[str]:
    """Run a server; gives the URL of a database, to which others are neighbours."""
    folder = Path(tempfile.mkdtemp(prefix="voxpg"))
    # PostgreSQL refuses to run as root, as which containers often test.
    user = "nobody" if os.geteuid() == 0 else None
    if user:
        os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
    data, programs = folder / "data", binaries()

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), *arguments]
        subprocess.run(command, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=120)

    try:
        run("initdb", "-D", str(data), "-A", "trust", "-U", "tester", "-E", "UTF8", "--no-locale", "--no-sync")
        run("pg_ctl", "-D", str(data), "-w", "-l", str(folder / "log"), "-o", f"-k {folder} -h '' -F", "start")
        try:
            yield f"postgresql://tester@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)
