import pytest

from pipeline.base.dependencies import Dependencies, answered, patiently
from pipeline.base.errors import ConfigError, DependencyError
from pipeline.base.metrics import Metrics


class Switch:
    """A dependency that can be switched between answering and not answering."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked = 0

    def __call__(self) -> None:
        self.asked += 1
        if self.error:
            raise self.error


def up(metrics: Metrics, name: str) -> float | None:
    return metrics.registry.get_sample_value("voxwarden_dependency_up", {"dependency": name})


@pytest.mark.parametrize(
    "error", [DependencyError("It does not answer"), ConfigError("It refuses our password"), OSError("unforeseen")]
)
def test_a_dependency_is_down_until_it_answers(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    metrics, kafka, database = Metrics(), Switch(error), Switch()
    asked = Dependencies({"kafka": kafka, "database": database}, metrics)
    assert up(metrics, "kafka") is None, "no check has run yet"
    for _ in range(3):
        asked.ask("kafka")
        asked.ask("database")
    assert asked.down == {"kafka"}
    assert (up(metrics, "kafka"), up(metrics, "database")) == (0, 1)
    assert caplog.text.count("kafka is down") == 1, "logged once, not at each check"
    kafka.error = None
    asked.ask("kafka")
    asked.ask("kafka")
    assert asked.down == frozenset()
    assert up(metrics, "kafka") == 1
    assert caplog.text.count("kafka is up again") == 1
    assert "database is up" not in caplog.text, "it was never down"


def test_a_check_that_hangs_does_not_delay_another() -> None:
    from threading import Event

    metrics, let_go, answered = Metrics(), Event(), Event()
    with Dependencies({"kafka": let_go.wait, "database": answered.set}, metrics).watching():
        assert answered.wait(30)
        assert up(metrics, "kafka") is None
        let_go.set()


def test_a_start_waits_for_a_dependency(caplog: pytest.LogCaptureFixture) -> None:
    kafka, pauses = Switch(DependencyError("Kafka does not answer")), list[float]()

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            kafka.error = None

    patiently(kafka, pause)
    assert kafka.asked == 4
    assert caplog.text.count("not started yet") == 1


async def test_an_event_loop_waits_for_a_dependency(caplog: pytest.LogCaptureFixture) -> None:
    kafka, pauses = Switch(DependencyError("Kafka does not answer")), list[float]()

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            kafka.error = None

    await answered(kafka, pause)
    assert kafka.asked == 4
    assert caplog.text.count("not started yet") == 1


def test_a_start_does_not_wait_after_a_wrong_setting() -> None:
    with pytest.raises(ConfigError):
        patiently(Switch(ConfigError("There is no topic")))
