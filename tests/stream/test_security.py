"""TLS and SCRAM against a real broker: both client libraries get in, and who should not is told so in one line."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from agents import topics
from pipeline.errors import ConfigError, DependencyError
from pipeline.settings import Kafka, Security, Settings
from pipeline.topology import FLAGS, JUDGE, TRANSCRIPTS
from tests.stream.kafka_io import committed, put, transcript, wait_for
from tests.stream.processes import worker
from tests.stream.secure_broker import PASSWORD, USERNAME, SecureBroker

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    broker = SecureBroker(tmp_path_factory.mktemp("secure-kafka"))
    with broker:
        yield broker


def kafka(broker: SecureBroker, password: str = PASSWORD, ca_file: Path | None = None, seconds: float = 20) -> Kafka:
    security = Security(
        protocol="sasl_ssl", username=USERNAME, password=SecretStr(password), ca_file=ca_file or broker.ca_file
    )
    return Kafka(bootstrap=broker.bootstrap, partitions=1, connect_seconds=seconds, security=security)


def test_topics_records_and_a_worker(broker: SecureBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(kafka=kafka(broker), data_dir=tmp_path)
    topics.create(settings.kafka)
    put(settings, TRANSCRIPTS, [transcript("fine", number) for number in range(3)])
    for name, value in (
        ("PROTOCOL", "sasl_ssl"),
        ("USERNAME", USERNAME),
        ("PASSWORD", PASSWORD),
        ("CA_FILE", str(broker.ca_file)),
    ):
        monkeypatch.setenv(f"VOXWARDEN_KAFKA__SECURITY__{name}", value)
    with worker(settings, tmp_path / "log", "tests.stream.faulty") as process:
        wait_for(settings, FLAGS, lambda flags: len(flags) == 3, process.running)
        assert process.stop() == 0
    assert committed(settings, JUDGE) == {0: 3}
    assert PASSWORD not in process.log


def test_a_wrong_password_is_one_clear_line(broker: SecureBroker) -> None:
    with pytest.raises(ConfigError, match=r"refuses our name or password\. Check `kafka\.security`") as caught:
        topics.plans(kafka(broker, "wrong-horse", seconds=15))
    assert "horse" not in str(caught.value)


def test_a_certificate_of_somebody_else_is_not_trusted(broker: SecureBroker, tmp_path: Path) -> None:
    other = SecureBroker(tmp_path)
    other.make_certificate()
    with pytest.raises(DependencyError, match="does not answer as it should"):
        topics.plans(kafka(broker, ca_file=other.ca_file, seconds=4))
