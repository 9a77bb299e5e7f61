"""The incidents. Each is a block in which something is broken, with the alerts that on-call must get."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from random import Random

from agents.broker.kafka_clients import producer, topic_name
from pipeline.contract.topology import AUDIO
from pipeline.runner.demo_rooms import tracks
from tests.deploy.incidents.service import LiveService
from tests.deploy.incidents.speakers import campaign

MALFORMED = 5
CROWD = 4
SLOW_SECONDS = 2.5
"""Pause of the recogniser for each utterance. Far more speech arrives than it can transcribe then."""


@dataclass(frozen=True, slots=True)
class LiveIncident:
    """`happening` breaks something until its block ends. `expected` are patterns of alerts, each with its subject.

    `also`: patterns of alerts that may come, too, because the incident has several symptoms for on-call.
    """

    happening: Callable[[LiveService], AbstractContextManager[None]]
    expected: tuple[str, ...]
    also: tuple[str, ...] = ()

    @property
    def what(self) -> str:
        return (self.happening.__doc__ or "").rstrip(".")


@contextmanager
def nothing(service: LiveService) -> Iterator[None]:
    """Nothing is broken."""
    del service
    yield


@contextmanager
def worker(service: LiveService) -> Iterator[None]:
    """The judge ends and is not started again."""
    service.stop("judge")
    yield
    service.start("judge")


@contextmanager
def role(service: LiveService) -> Iterator[None]:
    """The only console is gone, also from service discovery."""
    service.stop("console")
    service.announce(service.targets.keys() - {"console"})
    yield
    service.start("console")
    service.announce(service.targets.keys())


@contextmanager
def app(service: LiveService) -> Iterator[None]:
    """The app answers every webhook with 503."""
    service.app.answering = False
    yield
    service.app.answering = True


@contextmanager
def overload(service: LiveService) -> Iterator[None]:
    """The recogniser gets so slow that most speech is skipped."""
    service.slow_down(SLOW_SECONDS)
    yield
    service.slow_down(0)


@contextmanager
def malformed(service: LiveService) -> Iterator[None]:
    """Another app writes five records that are no audio."""
    client, random = producer(service.kafka), Random(1)
    for number in range(MALFORMED):
        key, value = f"noise-{number}".encode(), random.randbytes(100)
        client.send(topic_name(AUDIO, service.kafka), key=key, value=value).get(60)
    client.close()
    yield


@contextmanager
def database(service: LiveService) -> Iterator[None]:
    """PostgreSQL is killed."""
    service.database.kill()
    yield
    service.database.start()


@contextmanager
def kafka(service: LiveService) -> Iterator[None]:
    """Kafka is killed."""
    service.broker.stop()
    yield
    service.broker.start()


@contextmanager
def disk(service: LiveService) -> Iterator[None]:
    """The folder of the clips cannot be written: a file has its name."""
    folder = service.data / "evidence"
    away = folder.rename(folder.with_name("away"))
    folder.touch()
    yield
    folder.unlink()
    away.rename(folder)


@contextmanager
def spread(service: LiveService) -> Iterator[None]:
    """Four more people say what one person of the demo says against the law."""
    [said] = [track.path for track in tracks() if track.speaker == "ben"]
    with service.spoken(campaign(said, CROWD)):
        yield


INCIDENTS = {
    "nothing": LiveIncident(nothing, ()),
    "worker": LiveIncident(worker, ("WorkerDown judge",)),
    "app": LiveIncident(app, ("WebhooksFail",)),
    "database": LiveIncident(database, ("DependencyDown database",)),
    "kafka": LiveIncident(kafka, ("DependencyDown kafka",)),
    "overload": LiveIncident(overload, ("Lag transcribe", "Coverage *"), also=("FlagLatency",)),
    "disk": LiveIncident(disk, ("DependencyDown evidence",)),
    "malformed": LiveIncident(malformed, ("DeadLetters segment",)),
    "role": LiveIncident(role, ("RoleMissing console",)),
    "spread": LiveIncident(spread, ("Spread *",)),
}
