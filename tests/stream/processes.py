"""Workers as separate processes with all settings in the environment, as in production."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.settings import EvidenceSettings, Settings
from tests.broker import ROOT

STOP_SECONDS = 60
"""The grace period of orchestrators."""


class Process:
    """A process that can be killed, stopped and restarted, as by a supervisor."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], output: Path) -> None:
        self._command = command
        self._environment = environment
        self._output = output
        self.exits: list[int] = []
        self.start()

    def start(self) -> None:
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environment, stdout=output, stderr=output
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def supervise(self) -> None:
        """Restart the process if it has ended by itself. The fifth end is an error."""
        code = self._process.poll()
        if code is None:
            return
        self.exits.append(code)
        if len(self.exits) > 5:
            raise AssertionError(f"The worker ends again and again: {self.log[-3000:]}")
        self.start()

    def running(self) -> None:
        """Fail if the process has ended."""
        if self._process.poll() is not None:
            raise AssertionError(f"The worker ended with {self._process.returncode}: {self.log[-3000:]}")

    def wait(self, seconds: float) -> int:
        """Wait until the process ends by itself, and return its exit code."""
        return self._process.wait(seconds)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and return the exit code. Fails if the process does not end within the grace period."""
        self._process.send_signal(how)
        return self._process.wait(STOP_SECONDS)

    def freeze(self) -> None:
        """Stop the process with SIGSTOP, until `thaw`."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    @property
    def log(self) -> str:
        return self._output.read_text()

    def close(self) -> None:
        if self._process.poll() is None:
            self.kill()


class Worker(Process):
    """`python -m ARGUMENTS` with these settings."""

    def __init__(self, settings: Settings, arguments: Sequence[str], output: Path) -> None:
        super().__init__([sys.executable, "-m", *arguments], os.environ | environment(settings), output)


@contextmanager
def worker(settings: Settings, output: Path, *arguments: str) -> Iterator[Worker]:
    """Run `python -m ARGUMENTS` while the block runs."""
    process = Worker(settings, arguments, output)
    try:
        yield process
    finally:
        process.close()


def evidence_environment(evidence: EvidenceSettings) -> dict[str, str]:
    s3 = evidence.s3
    if evidence.store == "folder" or s3.endpoint is None or s3.access_key is None or s3.secret_key is None:
        return {}
    keys = [{"id": key.id, "key": key.key.get_secret_value()} for key in evidence.encryption.keys]
    return {
        "VOXWARDEN_EVIDENCE__STORE": "s3",
        "VOXWARDEN_EVIDENCE__S3__BUCKET": s3.bucket,
        "VOXWARDEN_EVIDENCE__S3__ENDPOINT": s3.endpoint,
        "VOXWARDEN_EVIDENCE__S3__ACCESS_KEY": s3.access_key.get_secret_value(),
        "VOXWARDEN_EVIDENCE__S3__SECRET_KEY": s3.secret_key.get_secret_value(),
        "VOXWARDEN_EVIDENCE__ENCRYPTION__KEYS": json.dumps(keys),
    }


def environment(settings: Settings) -> dict[str, str]:
    store = {"VOXWARDEN_STORE__URL": settings.store.url.get_secret_value()} if settings.store.url else {}
    ear = {"VOXWARDEN_LISTEN__YAMNET": str(path)} if (path := settings.listen.yamnet) else {}
    named = store | ear | evidence_environment(settings.evidence)
    return named | {
        "VOXWARDEN_DATA_DIR": str(settings.data_dir),
        "VOXWARDEN_KAFKA__BOOTSTRAP": settings.kafka.bootstrap,
        "VOXWARDEN_KAFKA__PREFIX": settings.kafka.prefix,
        "VOXWARDEN_KAFKA__CONNECT_SECONDS": str(settings.kafka.connect_seconds),
        "VOXWARDEN_KAFKA__PARTITIONS": str(settings.kafka.partitions),
        "VOXWARDEN_KAFKA__ROOM_SHARDS": str(settings.kafka.room_shards),
        "VOXWARDEN_METRICS__PORT": "0",
        "VOXWARDEN_ASR__MODEL": settings.asr.model,
        "VOXWARDEN_AUDIO__IDLE_SECONDS": str(settings.audio.idle_seconds),
        "VOXWARDEN_LISTEN__SOUNDS": json.dumps(settings.listen.sounds),
        "VOXWARDEN_LISTEN__DEAD_AIR_SECONDS": str(settings.listen.dead_air_seconds),
        "VOXWARDEN_OVERLOAD__ENABLED": "false",  # a busy machine must not skip utterances that a test needs
        "OMP_NUM_THREADS": "2",
        "SSL_CERT_FILE": os.devnull,  # aiohttp reads the machine's certificates at import, a quarter of all CPU time
    }
