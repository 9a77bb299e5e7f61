"""A real S3 server for tests: versitygw, on a temporary folder and a port of this machine."""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from pipeline.review.evidence.aws import s3_client
from pipeline.settings.review import S3
from tests.broker import ROOT
from tests.ports import free_port

PROGRAMS = ROOT / ".cache" / "versitygw"
OWNER, SECRET = "owner", "the-owners-secret"


class S3MissingError(RuntimeError):
    """The server is not built. Its tests then fail, because a skipped test proves nothing."""


def program() -> Path:
    """Return the newest server that was built. Raises S3MissingError if there is none."""
    built = sorted(PROGRAMS.glob("versitygw-*"))
    if not built:
        raise S3MissingError("`make test` builds an S3 server in .cache/versitygw.")
    return built[-1]


class S3Server:
    """An S3 server with its data in `folder`. You can kill it and start it again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._program = program()
        self._port, self._admin = free_port(), free_port()
        for name in ("data", "versions", "iam", "attributes"):
            (folder / name).mkdir()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        account = ("--access", OWNER, "--secret", SECRET)
        ports = ("--port", f"127.0.0.1:{self._port}", "--admin-port", f"127.0.0.1:{self._admin}")
        folders = ("--versioning-dir", self._folder / "versions", "--sidecar", self._folder / "attributes")
        with (self._folder / "log").open("ab") as log:
            command = [self._program, "--quiet", *account, *ports, "--iam-dir", self._folder / "iam"]
            place = ["posix", *folders, self._folder / "data"]
            self._process = subprocess.Popen([*map(str, [*command, *place])], stdout=log, stderr=log)
        self._wait()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def add_user(self, name: str, secret: str) -> None:
        command = [str(self._program), "admin", "--access", OWNER, "--secret", SECRET]
        address = ("--endpoint-url", f"http://127.0.0.1:{self._admin}")
        made = ("create-user", "--access", name, "--secret", secret, "--role", "user")
        subprocess.run([*command, *address, *made], check=True, capture_output=True, timeout=30)

    def client(self) -> Any:
        """Return a client with the rights of the owner."""
        return s3_client(self.settings("none"))

    def settings(self, bucket: str, user: str = OWNER, secret: str = SECRET, **changes: Any) -> S3:
        fields = {"bucket": bucket, "endpoint": self.url, "access_key": user, "secret_key": secret}
        return S3.model_validate({**fields, **changes})

    def make_bucket(self, name: str, policy: dict[str, Any] | None = None, *, lock: bool = False) -> str:
        client = self.client()
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=lock)
        if policy:
            client.put_bucket_policy(Bucket=name, Policy=json.dumps(policy))
        return name

    def _wait(self) -> None:
        for _ in range(600):
            try:
                urlopen(self.url, timeout=5).close()  # noqa: S310 - our own server
            except HTTPError:
                return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"The S3 server does not answer: {(self._folder / 'log').read_text()[-2000:]}")


@contextmanager
def running() -> Iterator[S3Server]:
    """Start a server, and delete its folder at the end."""
    folder = Path(tempfile.mkdtemp(prefix="voxs3"))
    try:
        server = S3Server(folder)
        server.start()
        try:
            yield server
        finally:
            server.kill()
    finally:
        shutil.rmtree(folder)
