"""The doctor looks at a whole deployment. The broker's part is in tests/stream/test_doctor.py."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from pathlib import Path
from threading import Thread

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from agents.deployment_checks import addresses, checks
from agents.machine_checks import DoctorResult, examine
from pipeline.base.errors import ConfigError, DependencyError
from pipeline.base.metrics import Metrics
from pipeline.base.metrics_server import serving
from pipeline.contract.topology import STAGES
from pipeline.review.database import Database
from pipeline.settings import Kafka, Settings, WebhookSettings
from tests.pipeline.review import release
from tests.ports import free_port


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    nobody = Kafka(bootstrap=f"127.0.0.1:{free_port()}", connect_seconds=0.5)
    return Settings(data_dir=tmp_path, kafka=nobody)


def findings(settings: Settings, *processes: str, services: tuple[str, ...] = ()) -> dict[str, DoctorResult]:
    return {found.what: found for found in examine(settings, checks(settings, processes, services))}


@contextmanager
def answering(*answers: tuple[str, int, bytes, str | None]) -> Iterator[str]:
    """Serve answers by path: status, body, and the header Date (None: the right one). Yield HOST:PORT."""
    known = {path: (status, body, date) for path, status, body, date in answers}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, date = known[self.path]
            self.send_response_only(status)
            self.send_header("date", date or self.date_time_string())
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log no requests."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def build(of: str) -> bytes:
    return f'# TYPE voxwarden_build_info gauge\nvoxwarden_build_info{{version="{of}"}} 1.0\n'.encode()


def test_a_process_that_is_ready_is_fine(settings: Settings) -> None:
    with serving(Metrics(), "127.0.0.1", 0) as url:
        address = url.removeprefix("http://").removesuffix("/metrics")
        found = findings(settings, address)[address]
    assert found.state == "ok"
    assert f"ready, version {version('voxwarden')}, clock within 2 s" in found.detail


def test_a_process_that_is_not_ready_says_why(settings: Settings) -> None:
    probes = {"/readyz": lambda: ("no partition yet", "the model loads")}
    with serving(Metrics(), "127.0.0.1", 0, probes) as url:
        address = url.removeprefix("http://").removesuffix("/metrics")
        found = findings(settings, address)[address]
    assert (found.state, found.detail.split(". ")[0]) == ("fault", "no partition yet; the model loads")


@pytest.mark.parametrize(
    ("date", "figures", "told"),
    [
        ("Thu, 01 Jan 2026 12:00:00 GMT", build(version("voxwarden")), "from this machine's clock"),
        ("soon", build(version("voxwarden")), "no time"),
        (None, build("0.0.9"), "version 0.0.9, this machine has"),
        (None, b"<html>", "version unknown"),
        (None, b"up 1\n", "version unknown"),
    ],
)
def test_another_clock_version_or_program_is_a_fault(
    settings: Settings, date: str | None, figures: bytes, told: str
) -> None:
    with answering(("/readyz", 200, b"ok\n", date), ("/metrics", 200, figures, date)) as address:
        found = findings(settings, address)[address]
    assert (found.state, told in found.detail) == ("fault", True), found.detail


def test_mixed_versions_are_named(settings: Settings) -> None:
    old, new = (
        [("/readyz", 200, b"ok\n", None), ("/metrics", 200, build(of), None)] for of in ("0.0.9", version("voxwarden"))
    )
    with answering(*old) as first, answering(*new) as second:
        alone = findings(settings, second)["versions"]
        found = findings(settings, first, second)["versions"]
    assert (alone.state, alone.detail) == ("ok", f"{version('voxwarden')}: 1 {second}")
    assert found.state == "fault"
    assert found.detail.startswith(f"mixed: 0.0.9: 1 {first}; {version('voxwarden')}: 1 {second}")


def test_what_does_not_answer_is_named(settings: Settings) -> None:
    gone = f"127.0.0.1:{free_port()}"
    found = findings(settings, gone, "nonsense", "no-such-host.invalid:9108", services=(f"http://{gone}/healthz",))
    assert {found[name].state for name in (gone, "nonsense", "no-such-host.invalid:9108")} == {"fault"}
    assert "does not answer" in found[gone].detail
    assert "HOST:PORT" in found["nonsense"].detail
    assert found[f"http://{gone}/healthz"].state == "fault"


@pytest.mark.parametrize(("status", "state"), [(200, "ok"), (401, "ok"), (426, "ok"), (500, "fault"), (503, "fault")])
def test_a_service_may_refuse_but_not_fail(settings: Settings, status: int, state: str) -> None:
    with answering(("/", status, b"", None)) as address:
        found = findings(settings, services=(f"ws://{address}/",))[f"ws://{address}/"]
    assert found.state == state


def test_the_receiver_of_webhooks_gets_a_connection_and_no_request(settings: Settings) -> None:
    with answering() as address:
        hook = WebhookSettings(url=f"http://{address}/hook", secret=SecretStr("whsec_x"))
        found = findings(settings.model_copy(update={"webhooks": hook}))["webhook receiver"]
    assert (found.state, found.detail) == ("ok", f"{address} takes connections")
    gone = WebhookSettings(url=f"http://127.0.0.1:{free_port()}/hook")
    found = findings(settings.model_copy(update={"webhooks": gone}))["webhook receiver"]
    assert (found.state, "webhooks.url" in found.detail) == ("fault", True)


def test_a_broker_that_is_down_is_named_in_each_of_its_lines(settings: Settings) -> None:
    found = findings(settings)
    kafka = [result for what, result in found.items() if what == "Kafka topics" or what.startswith("workers of")]
    assert len(kafka) == 1 + len([stage for stage in STAGES if not stage.switch])
    assert {result.state for result in kafka} == {"fault"}
    assert all(settings.kafka.bootstrap in result.detail for result in kafka)


def test_an_address_becomes_those_of_its_host() -> None:
    assert addresses("127.0.0.1:9108") == ["127.0.0.1:9108"]
    assert addresses("[::1]:9108") == ["[::1]:9108"]
    for wrong in ("judge", ":9108", "judge:", "judge:x"):
        with pytest.raises(ConfigError, match="HOST:PORT"):
            addresses(wrong)
    with pytest.raises(DependencyError, match="unknown"):
        addresses("no-such-host.invalid:1")


def test_the_migration_of_the_store_is_compared(settings: Settings) -> None:
    url = settings.database_url
    assert findings(settings)["tables of the store"].detail.startswith("migration none, this version has")
    assert not (settings.data_dir / "voxwarden.db").exists(), "the doctor creates nothing"
    release.make_store(url)
    behind = findings(settings)["tables of the store"]
    assert (behind.state, "migration 0005, this version has" in behind.detail) == ("fault", True)
    with closing(Database(url)) as database:
        assert findings(settings)["tables of the store"].state == "ok"
        for number, detail in (
            ("0004", "0004 of a build that was not released"),
            ("0027", "0027 of a build that was not released"),
            ("9999", "9999 of a newer version"),
            ("0006_9999", "0006_9999 of a newer version, which only added to 0006"),
        ):
            with database.write() as connection:
                connection.execute(text("UPDATE alembic_version SET version_num = :number"), {"number": number})
            assert detail in findings(settings)["tables of the store"].detail
