"""TLS and SCRAM on a real broker: both client libraries connect, and a refused account gets one clear line."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka.admin import ACL, ACLOperation, ACLPermissionType, ACLResourcePatternType, ResourcePattern, ResourceType
from pydantic import SecretStr

from agents.broker import kafka_topics
from agents.broker.kafka_clients import BrokerAnswers, admin, producer, reader
from agents.loop.lag import Lag
from pipeline.base.errors import ConfigError, DependencyError
from pipeline.contract.topology import FLAGS, JUDGE, TRANSCRIPTS
from pipeline.settings import Kafka, Security, Settings
from tests.builders import transcript
from tests.stream.kafka_io import committed, put, wait_for
from tests.stream.processes import worker
from tests.stream.secure_broker import LIMITED, PASSWORD, USERNAME, SecureBroker

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    broker = SecureBroker(tmp_path_factory.mktemp("secure-kafka"))
    with broker:
        yield broker


def kafka(
    broker: SecureBroker,
    password: str = PASSWORD,
    ca_file: Path | None = None,
    seconds: float = 20,
    username: str = USERNAME,
) -> Kafka:
    security = Security(
        protocol="sasl_ssl", username=username, password=SecretStr(password), ca_file=ca_file or broker.ca_file
    )
    return Kafka(bootstrap=broker.bootstrap, partitions=1, connect_seconds=seconds, security=security)


def sign_in(broker: SecureBroker, monkeypatch: pytest.MonkeyPatch, username: str) -> None:
    """Set the account of the workers in the environment."""
    for name, value in (
        ("PROTOCOL", "sasl_ssl"),
        ("USERNAME", username),
        ("PASSWORD", PASSWORD),
        ("CA_FILE", str(broker.ca_file)),
    ):
        monkeypatch.setenv(f"VOXWARDEN_KAFKA__SECURITY__{name}", value)


def grant(broker: SecureBroker, kind: ResourceType, prefix: str, *operations: ACLOperation) -> None:
    """Grant rights to the limited account on all names with this prefix, and wait until the broker knows them."""
    names = ResourcePattern(kind, prefix, ACLResourcePatternType.PREFIXED)
    rights = [ACL(f"User:{LIMITED}", "*", operation, ACLPermissionType.ALLOW, names) for operation in operations]
    with admin(kafka(broker)) as client:
        client.create_acls(rights)
        while not all(client.describe_acls(right)[0] for right in rights):
            time.sleep(0.02)


def test_topics_records_and_a_worker_use_tls_and_scram(
    broker: SecureBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(kafka=kafka(broker), data_dir=tmp_path)
    kafka_topics.create(settings.kafka)
    put(settings, TRANSCRIPTS, [transcript("fine", number) for number in range(3)])
    sign_in(broker, monkeypatch, USERNAME)
    with worker(settings, tmp_path / "log", "tests.stream.faulty") as process:
        wait_for(settings, FLAGS, lambda flags: len(flags) == 3, process.running)
        assert process.stop() == 0
    assert committed(settings, JUDGE) == {0: 3}
    assert PASSWORD not in process.log


def test_the_rights_of_the_security_page_are_enough(
    broker: SecureBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = "limited.voice.", "limited.voxwarden-"
    everything = kafka(broker).model_copy(update={"prefix": "limited."})
    limited = kafka(broker, username=LIMITED).model_copy(update={"prefix": "limited."})
    kafka_topics.create(everything)
    grant(broker, ResourceType.TOPIC, ours, ACLOperation.READ, ACLOperation.WRITE)
    grant(broker, ResourceType.GROUP, theirs, ACLOperation.READ)
    with pytest.raises(ConfigError, match=r"may not read the settings of topic limited\.voice.*DescribeConfigs"):
        kafka_topics.require(limited, JUDGE)
    grant(broker, ResourceType.TOPIC, ours, ACLOperation.DESCRIBE_CONFIGS)
    kafka_topics.require(limited, JUDGE)
    settings = Settings(kafka=everything, data_dir=tmp_path)
    put(settings, TRANSCRIPTS, [transcript("fine", number) for number in range(3)])
    sign_in(broker, monkeypatch, LIMITED)
    with worker(settings, tmp_path / "log", "tests.stream.faulty") as process:
        wait_for(settings, FLAGS, lambda flags: len(flags) == 3, process.running)
        assert process.stop() == 0
    lag = Lag(JUDGE, Settings(kafka=limited))
    assert {topic: place.lag for (topic, _), place in lag.places().items()} == {
        ours + name: 0 for name in ("sounds", "transcripts")
    }
    lag.close()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("ask", [kafka_topics.plans, producer, reader, lambda kafka: BrokerAnswers(kafka)()])
def test_a_wrong_password_is_one_clear_line_at_once(broker: SecureBroker, ask: Callable[[Kafka], object]) -> None:
    with pytest.raises(ConfigError, match=r"rejects our name or password\. Check `kafka\.security\.user") as caught:
        ask(kafka(broker, "wrong-horse", seconds=600))
    assert "horse" not in str(caught.value)


@pytest.mark.timeout(120)
def test_a_worker_with_a_wrong_password_ends_at_once(
    broker: SecureBroker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(kafka=kafka(broker, seconds=600), data_dir=tmp_path)
    sign_in(broker, monkeypatch, USERNAME)
    monkeypatch.setenv("VOXWARDEN_KAFKA__SECURITY__PASSWORD", "wrong-horse")
    with worker(settings, tmp_path / "log", "agents", "worker", "judge") as process:
        assert process.wait(100) == 2
        assert "rejects our name or password. Check `kafka.security.username`" in process.log


def test_a_certificate_of_another_authority_is_not_trusted(broker: SecureBroker, tmp_path: Path) -> None:
    other = SecureBroker(tmp_path)
    other.make_certificate()
    with pytest.raises(DependencyError, match="does not answer correctly"):
        kafka_topics.plans(kafka(broker, ca_file=other.ca_file, seconds=4))
