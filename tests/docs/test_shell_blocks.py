"""A new user's afternoon: the blocks of the pages run as printed, in a clone of this checkout with a HOME of its own.

The user types the commands of a page in order. A server keeps its terminal, so the next command goes into a new one.
Ports are those of the pages. `pip` is the only program that downloads.
"""

import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self, TypeVar

import pytest

from tests.deploy.files import ROOT
from tests.docs.shell_blocks import Block, blocks, commands
from tests.livekit import BINARY

pytestmark = [pytest.mark.full, pytest.mark.timeout(2400)]

PATIENCE_SECONDS = 600.0
"""A command may install for minutes."""

READY = {
    r"make run\b": "Press Ctrl-C",
    r"voxwarden .*\b(run|api|rtp|livekit)\b": "Press Ctrl-C",
    r"\S+/server ": "starting LiveKit server",
    r"curl -sN ": "\n\n",
}
"""Commands that serve until Ctrl-C, and what they print when they are ready."""

LEFT_OUT = {
    "make test": "it runs this test",
    "docker ": "needs a container engine",
    "python3 -m venv": "`make run` has done the same steps",
    "pip install --no-deps -r deploy": "`make run` has done the same steps",
    "pip install -c constraints.txt": "installs PyTorch, 6 GB",
    "requirements-slim.txt voxwarden-": "is for another machine",
    "npm ": "needs the registry of npm; tests/clients/ builds the same",
    "go install": "needs Go's proxy; `make livekit` builds the same server",
    "/decisions": "needs the id of a case; tests/pipeline/connect/api/test_cases_endpoint.py decides one",
    "BOOTSTRAP": "needs Kafka; tests/stream/test_ingest.py runs it",
    "producer.py": "needs Kafka; tests/stream/test_ingest.py runs it",
    "VOXWARDEN_WEBHOOKS__FORMAT": "needs another vendor's receiver",
    "app.example.org": "needs another vendor's receiver",
    "EGRESS": "needs LiveKit's egress; tests/agents/test_livekit.py runs it",
    "listen.py": "needs LiveKit's egress; tests/agents/test_livekit.py runs it",
    "livekit.members": "starts more bots",
}

PAGES = ("README.md", "docs/install.md", "docs/integrate.md", "docs/api.md", "docs/livekit.md")
PASSED = re.compile(r"PIP_|SSL_|.*_proxy$|.*_PROXY$|REQUESTS_")
"""Variables that say how pip reaches its index. No others of this machine are passed on."""
T = TypeVar("T")
TO_FILL_IN = re.compile(r"""(?<=TOKEN=)…|(?<=TOKENS='\[")…""")
"""Where a page says to put a token in."""
TOKEN = re.compile(r"^(?:Token +)?([\w-]{32})(?:$| )", re.MULTILINE)


class Terminal:
    """A shell in the clone. What it shows goes into a file."""

    def __init__(self, folder: Path, environment: dict[str, str], shown: Path) -> None:
        self._shown, self._number, self.server = shown, 0, ""
        with shown.open("wb") as file:
            self._shell = subprocess.Popen(
                ["bash"], cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=file, stderr=file,
                start_new_session=True,
            )  # fmt: skip

        self._write("set -m; trap : INT")  # a job has a group of its own, and its end does not end the shell

    def type(self, command: str) -> None:
        """Run a command; a server, until it is ready. Raises AssertionError if the command fails."""
        self._number += 1
        begin = len(self.shown())
        self._write(f"{{ {command}\n}} < /dev/null\nprintf '\\ndone {self._number} %s\\n' $?")
        ready = next((text for pattern, text in READY.items() if re.match(pattern, command)), "")
        end = until(lambda: self._ended() or (ready and ready in self.shown()[begin:]))
        assert not (ready and self._ended()), f"{command}\n{self.shown()}"
        assert ready or end == "0", f"{command}\n{self.shown()}"
        self.server = command if ready else ""

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.killpg(self._jobs()[-1], signal.SIGINT)
        until(self._ended)
        self.server = ""

    def shown(self) -> str:
        return self._shown.read_text("utf-8", "replace")

    def _jobs(self) -> list[int]:
        """The groups of processes that the shell has started and that run, by age: a job has its own."""
        return [*map(int, Path(f"/proc/{self._shell.pid}/task/{self._shell.pid}/children").read_text("utf-8").split())]

    def _write(self, line: str) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.write(f"{line}\n".encode())
        self._shell.stdin.flush()

    def _ended(self) -> str:
        found = re.search(rf"^done {self._number} (\d+)$", self.shown(), re.MULTILINE)
        return found[1] if found else ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        jobs = self._jobs()
        self._shell.kill()
        for job in jobs:
            with suppress(ProcessLookupError):  # it has just ended
                os.killpg(job, signal.SIGTERM)
        self._shell.communicate()


def until(check: Callable[[], T]) -> T:
    """What `check` returns as soon as it is true."""
    for _ in range(int(PATIENCE_SECONDS / 0.2)):
        if found := check():
            return found
        time.sleep(0.2)
    raise AssertionError("it takes too long")


class Reader:
    """Reads one page in a clone, and types what it says into terminals."""

    def __init__(self, clone: Path, home: Path, terminals: ExitStack, activated: bool) -> None:
        self._clone, self._home, self._stack, self._activated = clone, home, terminals, activated
        self._terminals: list[Terminal] = []

    def follow(self, block: Block) -> None:
        if block.kind == "file":
            (self._clone / block.name).write_text(block.text, "utf-8")
        elif block.kind == "output":
            for line in block.text.splitlines():
                until(lambda line=line: line in self._shown())  # type: ignore[misc]
        elif typed := [command for command in commands(block) if not reason_to_leave_out(command)]:
            if any(re.search(r"\brun\b", command) for command in typed):
                self._stop_run()
            for command in typed:
                self._free_terminal().type(TO_FILL_IN.sub(self._token(), command))

    def _stop_run(self) -> None:
        """Two processes cannot use a data folder. The next command goes into the terminal of the stopped one."""
        for terminal in self._terminals:
            if re.search(r"\brun\b", terminal.server):
                terminal.interrupt()
                self._terminals.remove(terminal)
                self._terminals.append(terminal)
                return

    def _free_terminal(self) -> Terminal:
        if not self._terminals or self._terminals[-1].server:
            environment = {name: os.environ[name] for name in os.environ if PASSED.match(name)}
            path = [each for each in os.environ["PATH"].split(":") if not (Path(each) / "voxwarden").exists()]
            environment |= {"HOME": str(self._home), "LANG": "C.UTF-8", "PATH": ":".join(path)}
            shown = self._home / f"terminal-{time.time_ns()}.txt"
            self._terminals.append(self._stack.enter_context(Terminal(self._clone, environment, shown)))
            if self._activated:  # as docs/install.md says
                self._terminals[-1].type(". .venv/bin/activate")
        return self._terminals[-1]

    def _shown(self) -> str:
        return "\n".join(terminal.shown() for terminal in self._terminals)

    def _token(self) -> str:
        """The token that was printed last, as a user copies it."""
        found = [TOKEN.findall(terminal.shown()) for terminal in self._terminals]
        return next((tokens[-1] for tokens in reversed(found) if tokens), "none was printed")


def reason_to_leave_out(command: str) -> str:
    return next((reason for part, reason in LEFT_OUT.items() if part in command), "")


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout as a new user has it, and a LiveKit server where `go install` puts it."""
    folder = tmp_path_factory.mktemp("afternoon")
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, folder / "voxwarden"], check=True)
    assert BINARY is not None
    (folder / "go" / "bin").mkdir(parents=True)
    (folder / "go" / "bin" / "server").symlink_to(BINARY)
    return folder / "voxwarden"


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_run_as_printed(page: str, clone: Path) -> None:
    """The README comes first, because `make run` installs."""
    with ExitStack() as terminals:
        reader = Reader(clone, clone.parent, terminals, activated=page != "README.md")
        for block in blocks(ROOT / page):
            reader.follow(block)


def test_what_is_left_out_stands_on_a_page() -> None:
    shown = [block for page in PAGES for block in blocks(ROOT / page) if block.kind == "commands"]
    typed = [command for block in shown for command in commands(block)]
    assert [part for part in LEFT_OUT if not any(part in command for command in typed)] == []


@pytest.mark.parametrize(
    ("typed", "fails"),
    [("true", False), ("export A=1", False), ("false", True), ("voxwarden: command not found", True)],
)
def test_a_command_that_fails_is_found(typed: str, fails: bool, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"]}
    with Terminal(tmp_path, environment, tmp_path / "shown") as terminal:
        terminal.type("cd .")
        if fails:
            with pytest.raises(AssertionError, match=re.escape(typed)):
                terminal.type(typed)
        else:
            terminal.type(typed)
