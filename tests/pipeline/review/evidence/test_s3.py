"""Clips in a bucket of a real server, and each way in which the server can fail."""

import asyncio
import socket
import socketserver
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from botocore import auth
from botocore.stub import Stubber
from moto import mock_aws
from pydantic import SecretStr, ValidationError

from pipeline.base.errors import ConfigError, DependencyError
from pipeline.base.metrics import Metrics
from pipeline.contract.messages import AudioChunk, Flag, Message, Transcript, Utterance
from pipeline.contract.stage import Processor, Rejected
from pipeline.contract.topology import DELIVER, JUDGE, SEGMENT, TRANSCRIBE, Stage
from pipeline.review.cases.case_values import Evidence, Filters, Outcome
from pipeline.review.evidence import aws, evidence_store
from pipeline.review.evidence.aws import Forbidden, S3Evidence
from pipeline.review.evidence.evidence_store import checksum, clip_path
from pipeline.review.evidence.lookback import open_lookback
from pipeline.review.evidence.sealing import ClipDamaged
from pipeline.review.review_store import open_store
from pipeline.runner.local import LocalRunner
from pipeline.runner.stage_processor import build_processor
from pipeline.settings import EvidenceSettings, Settings
from pipeline.settings.review import S3
from tests.builders import NOON, flag, transcript
from tests.pipeline.review.voices import utterance
from tests.ports import free_port
from tests.s3 import S3Server, running

pytestmark = pytest.mark.full

CASE = "36334933-469b-56e0-92f3-85246dd522e9"
PATH = clip_path(CASE, NOON)
SOON = 60.0


def opened(settings: S3) -> S3Evidence:
    return S3Evidence(EvidenceSettings(store="s3", s3=settings))


@pytest.fixture
def evidence(s3_server: S3Server, bucket: str) -> S3Evidence:
    return opened(s3_server.settings(bucket, prefix="voxwarden/", object_lock=True))


@pytest.fixture
def unversioned(s3_server: S3Server, bucket: str) -> S3Evidence:
    return opened(s3_server.settings(s3_server.make_bucket(f"{bucket}-plain")))


@pytest.fixture(params=["evidence", "unversioned"])
def each(request: pytest.FixtureRequest) -> S3Evidence:
    """Return a bucket of each kind: with versions and object lock, and with neither."""
    found: S3Evidence = request.getfixturevalue(request.param)
    return found


def versions(server: S3Server, bucket: str) -> list[str]:
    found = server.client().list_object_versions(Bucket=bucket)
    return [version["Key"] for version in (*found.get("Versions", ()), *found.get("DeleteMarkers", ()))]


def test_a_clip_is_an_object_under_the_day_of_its_speech(each: S3Evidence) -> None:
    assert each.put(CASE, NOON, b"a clip") == f"2026/01/01/{CASE}.ogg"
    assert each.get(PATH) == b"a clip"
    assert each.get("2026/01/01/none.ogg") is None


def test_a_second_clip_replaces_the_first(each: S3Evidence) -> None:
    each.write(PATH, b"short")
    each.write(PATH, b"longer")
    assert each.get(PATH) == b"longer"


def test_nothing_is_left_of_a_removed_clip(s3_server: S3Server, bucket: str, evidence: S3Evidence) -> None:
    for clip in (b"short", b"longer"):
        evidence.write(PATH, clip)
    s3_server.client().delete_object(Bucket=bucket, Key=f"voxwarden/{PATH}")  # a delete marker: the clip is still there
    assert len(versions(s3_server, bucket)) == 3
    evidence.remove(PATH)
    assert versions(s3_server, bucket) == []
    evidence.remove(PATH)


def test_a_clip_whose_name_continues_another_is_not_removed(each: S3Evidence) -> None:
    each.write(PATH, b"a clip")
    each.write(f"{PATH}.ogg", b"another")
    each.remove(PATH)
    assert (each.get(PATH), each.get(f"{PATH}.ogg")) == (None, b"another")


def test_a_clip_is_unlocked_before_it_can_be_removed(evidence: S3Evidence) -> None:
    evidence.write(PATH, b"a clip")
    evidence.hold(PATH, True)
    with pytest.raises(Forbidden, match=r"access denied.*legal hold"):
        evidence.remove(PATH)
    assert evidence.discard(PATH) is False
    assert evidence.get(PATH) == b"a clip"
    evidence.write(PATH, b"longer")
    evidence.hold(PATH, True)
    evidence.hold(PATH, False)
    evidence.remove(PATH)
    assert evidence.get(PATH) is None


def test_a_lock_on_a_missing_clip_is_no_fault(evidence: S3Evidence) -> None:
    for held in (True, False):
        evidence.hold(PATH, held)


def test_a_bucket_without_object_lock_is_named(s3_server: S3Server, bucket: str) -> None:
    plain = opened(s3_server.settings(s3_server.make_bucket(f"{bucket}-bare"), object_lock=True))
    plain.write(PATH, b"a clip")
    with pytest.raises(ConfigError, match=r"no object lock.*evidence\.s3\.object_lock"):
        plain.hold(PATH, True)


def test_paths_are_those_last_written_before_a_time(each: S3Evidence) -> None:
    made = [f"2026/01/01/{name}.ogg" for name in ("a", "b", "c")]
    for path in (*made, made[1]):
        each.write(path, b"a clip")
    assert list(each.paths(time.time() + SOON)) == made
    assert list(each.paths(time.time() - SOON)) == []


def test_paths_of_many_pages_come_once(evidence: S3Evidence, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [f"2026/01/01/{number}.ogg" for number in range(5)]
    for path in (*made, *made):
        evidence.write(path, b"a clip")
    whole = evidence._client.get_paginator("list_object_versions").paginate

    class Small:
        def paginate(self, **arguments: Any) -> Any:
            return whole(**arguments, PaginationConfig={"PageSize": 3})

    monkeypatch.setattr(evidence._client, "get_paginator", lambda _: Small())
    assert list(evidence.paths(time.time() + SOON)) == made


def test_the_server_is_named(s3_server: S3Server, bucket: str, evidence: S3Evidence) -> None:
    assert evidence.check() == f"S3 bucket {bucket} at {s3_server.url}"


USES: dict[str, Callable[[S3Evidence], object]] = {
    "check": lambda store: store.check(),
    "write": lambda store: store.write(PATH, b"a clip"),
    "get": lambda store: store.get(PATH),
    "remove": lambda store: store.remove(PATH),
    "paths": lambda store: list(store.paths(NOON)),
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bucket": "absent"}, r"absent.*Create the bucket"),
        ({"access_key": "nobody"}, r"InvalidAccessKeyId.*VOXWARDEN_EVIDENCE__S3__ACCESS_KEY"),
        ({"secret_key": "wrong"}, r"SignatureDoesNotMatch.*VOXWARDEN_EVIDENCE__S3__SECRET_KEY"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(
    s3_server: S3Server, bucket: str, changes: dict[str, str], message: str
) -> None:
    settings = S3.model_validate({**s3_server.settings(bucket).model_dump(), **changes})
    evidence = opened(settings)
    for use in USES.values():
        with pytest.raises(ConfigError, match=message) as caught:
            use(evidence)
        assert "the-owners-secret" not in str(caught.value)


def test_missing_credentials_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    with pytest.raises(ConfigError, match=r"no credentials.*VOXWARDEN_EVIDENCE__S3__ACCESS_KEY"):
        opened(S3(bucket="any", endpoint="http://127.0.0.1:1")).get(PATH)


@pytest.mark.parametrize("minutes", [-30, 30])
def test_a_wrong_clock_is_named(evidence: S3Evidence, monkeypatch: pytest.MonkeyPatch, minutes: int) -> None:
    wrong = datetime.now(UTC).replace(tzinfo=None) + timedelta(minutes=minutes)
    monkeypatch.setattr(auth, "get_current_datetime", lambda remove_tzinfo=True: wrong)
    with pytest.raises(DependencyError, match=r"RequestTimeTooSkewed.*Synchronise this machine's clock"):
        evidence.write(PATH, b"a clip")


def lost(settings: S3, port: int, **changes: Any) -> S3Evidence:
    """Return a store whose server is at `port`."""
    here = {"endpoint": f"http://127.0.0.1:{port}", **changes}
    return opened(S3.model_validate({**settings.model_dump(), **here}))


@pytest.mark.parametrize("use", USES)
def test_a_server_that_is_away_is_an_outage(use: str) -> None:
    with pytest.raises(DependencyError, match=r"does not answer.*Check the server and the network"):
        USES[use](lost(S3(bucket="clips", access_key=SecretStr("a"), secret_key=SecretStr("b")), free_port()))


def test_a_server_that_comes_back_is_used_again() -> None:
    with running() as server:
        evidence = opened(server.settings(server.make_bucket("clips")))
        evidence.write(PATH, b"a clip")
        server.kill()
        with pytest.raises(DependencyError):
            evidence.get(PATH)
        server.start()
        assert evidence.get(PATH) == b"a clip"


def test_a_server_that_is_silent_is_an_outage(
    s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        silent = lost(s3_server.settings(bucket), listener.getsockname()[1])
        with pytest.raises(DependencyError, match="does not answer: Read timeout"):
            silent.write(PATH, b"a clip")


class Busy(BaseHTTPRequestHandler):
    """Answers that the server is overloaded, as S3 does."""

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        body = b"<Error><Code>SlowDown</Code><Message>Reduce your request rate.</Message></Error>"
        self.send_response(503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.server.asked += 1  # type: ignore[attr-defined]

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def test_an_overloaded_server_is_asked_twice_and_is_an_outage(s3_server: S3Server, bucket: str) -> None:
    with HTTPServer(("127.0.0.1", 0), Busy) as server:
        server.asked = 0  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            with pytest.raises(DependencyError, match=r"SlowDown \(503\)"):
                lost(s3_server.settings(bucket), server.server_port).write(PATH, b"a clip")
        finally:
            server.shutdown()
            thread.join()
        assert server.asked == 2  # type: ignore[attr-defined]


class Cutting(socketserver.BaseRequestHandler):
    """Passes a part of the bytes of each side on, and then breaks the connection."""

    def handle(self) -> None:
        with socket.create_connection(self.server.beyond) as beyond:  # type: ignore[attr-defined]
            up = threading.Thread(target=_pass, args=(self.request, beyond, self.server.up))  # type: ignore[attr-defined]
            up.start()
            _pass(beyond, self.request, self.server.down)  # type: ignore[attr-defined]
            for side in (beyond, self.request):
                with suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
            up.join()


def _pass(source: socket.socket, target: socket.socket, limit: int) -> None:
    with suppress(OSError):
        while limit > 0 and (data := source.recv(min(4_096, limit))):
            target.sendall(data)
            limit -= len(data)
        target.shutdown(socket.SHUT_WR)


@contextmanager
def cutting(server: S3Server, up: int = 10**9, down: int = 10**9) -> Iterator[int]:
    """Listen on a port before the server. Each connection passes only so many bytes on."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Cutting) as proxy:
        host, port = server.url.removeprefix("http://").split(":")
        proxy.beyond, proxy.up, proxy.down = (host, int(port)), up, down  # type: ignore[attr-defined]
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield proxy.server_address[1]
        finally:
            proxy.shutdown()
            thread.join()


def test_half_an_upload_leaves_no_clip(s3_server: S3Server, bucket: str) -> None:
    settings = s3_server.settings(bucket)
    with cutting(s3_server, up=60_000) as port, pytest.raises(DependencyError):
        lost(settings, port).write(PATH, bytes(200_000))
    assert versions(s3_server, bucket) == []
    opened(settings).write(PATH, bytes(200_000))
    assert opened(settings).get(PATH) == bytes(200_000)


def test_half_a_download_is_an_outage_and_no_shorter_clip(s3_server: S3Server, bucket: str) -> None:
    settings = s3_server.settings(bucket)
    opened(settings).write(PATH, bytes(200_000))
    with cutting(s3_server, down=60_000) as port, pytest.raises(DependencyError, match="does not answer"):
        lost(settings, port).get(PATH)


def test_an_object_that_is_too_large_for_a_clip_is_not_read(
    evidence: S3Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aws, "MAX_BYTES", 5)
    evidence.write(PATH, b"a clip")
    with pytest.raises(ClipDamaged):
        evidence.get(PATH)


def test_a_server_that_ignores_encryption_gets_no_clip(s3_server: S3Server, bucket: str) -> None:
    """This server ignores the request for encryption without a word."""
    asking = opened(s3_server.settings(bucket, server_encryption="AES256"))
    with pytest.raises(ConfigError, match=r"did not encrypt a clip.*evidence\.encryption"):
        asking.write(PATH, b"a clip")
    assert versions(s3_server, bucket) == []


@pytest.mark.parametrize("chosen", ["AES256", "aws:kms"])
def test_a_server_that_confirms_encryption_gets_the_clip(chosen: str) -> None:
    with mock_aws():
        fields = {"bucket": "clips", "access_key": "test", "secret_key": "test", "server_encryption": chosen}
        evidence = opened(S3.model_validate(fields))
        evidence._client.create_bucket(Bucket="clips")
        evidence.write(PATH, b"a clip")
        assert evidence._client.head_object(Bucket="clips", Key=PATH)["ServerSideEncryption"] == chosen
        assert evidence.get(PATH) == b"a clip"


def test_a_server_that_encrypts_in_another_way_is_refused(s3_server: S3Server, bucket: str) -> None:
    evidence = opened(s3_server.settings(bucket, server_encryption="aws:kms"))
    with Stubber(evidence._client) as stub:
        stub.add_response("put_object", {"ServerSideEncryption": "AES256"})
        stub.add_response("list_object_versions", {})
        with pytest.raises(ConfigError, match="did not encrypt"):
            evidence.write(PATH, b"a clip")


@pytest.mark.parametrize(
    "fields",
    [
        {"store": "s3"},
        {"s3": {"prefix": "no-slash"}},
        {"s3": {"prefix": "../x/"}},
        {"s3": {"access_key": "alone"}},
        {"s3": {"endpoint": "ftp://host"}},
    ],
)
def test_wrong_settings_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EvidenceSettings.model_validate(fields)


class Cut(Processor[AudioChunk, Utterance]):
    """Replaces the segmenter: the utterances are in the look-back."""

    def process(self, batch: Sequence[AudioChunk]) -> list[Utterance | Rejected]:
        return []


class Hear(Processor[Utterance, Transcript]):
    """Replaces Whisper: each utterance has the same words."""

    def process(self, batch: Sequence[Utterance]) -> list[Transcript | Rejected]:
        return [
            transcript("Hello.", one.start, utterance=one.id, end=one.end, address=one.address, id=f"t-{one.id}")
            for one in batch
        ]


class Flagging(Processor[Transcript, Flag]):
    """Replaces the judge: it flags all words."""

    def process(self, batch: Sequence[Transcript]) -> list[Flag | Rejected]:
        return [
            flag(one.utterance, one.start - NOON, one.end - NOON, utterance=one.utterance, address=one.address)
            for one in batch
        ]


async def test_on_one_machine_cases_come_while_the_server_is_down(
    tmp_path: Path, own_store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs start in the outage. The next one cuts their clips."""
    monkeypatch.setattr(evidence_store, "FIRST_PAUSE_SECONDS", 0.1)
    del own_store
    seen: list[Outcome] = []

    def tap(stage: Stage, batch: Sequence[Message], outputs: Sequence[Any]) -> None:
        seen.extend(output for output in outputs if isinstance(output, Outcome))

    def build(stage: Stage, *parts: Any) -> Processor[Any, Any]:
        fakes: dict[str, Processor[Any, Any]] = {"segment": Cut(), "transcribe": Hear(), "judge": Flagging()}
        return fakes.get(stage.name) or build_processor(stage, *parts)

    async def runs(name: str, until: Callable[[], bool]) -> None:
        lookback = open_lookback(settings)
        lookback.put(utterance(name, 100.0 * len(seen), 100.0 * len(seen) + 4))
        stages = (SEGMENT, TRANSCRIBE, JUDGE, DELIVER)
        async with LocalRunner(settings, Metrics(), tap, stages=stages, lookback=lookback, build=build):
            async with asyncio.timeout(SOON):
                while not until():  # noqa: ASYNC110 - waits for the threads of the stages
                    await asyncio.sleep(0.05)

    def clips() -> list[tuple[Evidence, ...]]:
        with closing(open_store(settings)) as store:
            return [store.case(case.id).evidence for case in store.cases(Filters())]

    with running() as server:
        chosen = EvidenceSettings(store="s3", s3=server.settings(server.make_bucket("clips")))
        settings = Settings(data_dir=tmp_path, evidence=chosen)
        server.kill()
        await runs("a", lambda: len(seen) == 1)
        assert clips() == [()]

        await runs("b", lambda: len(seen) == 2)
        assert clips() == [(), ()]
        server.start()
        await runs("c", lambda: len(clips()) == 3 and all(clips()))
        evidence = S3Evidence(chosen)
        for [clip] in clips():
            assert checksum(evidence.get(clip.path) or b"") == clip.sha256
