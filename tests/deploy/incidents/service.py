"""A whole deployment: Kafka, PostgreSQL, and a process of each role with the settings of deploy/compose.yaml."""

import json
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pipeline.settings import Kafka
from tests.broker import Broker
from tests.deploy.incidents import slowed
from tests.deploy.incidents.moderation import App, Moderators
from tests.deploy.incidents.speakers import IncidentSpeaker, everyone, talking
from tests.deploy.notified import announce
from tests.deploy.stack import SECRETS
from tests.pipeline.review import postgres
from tests.stream.roles import NAMES, Role, RoleHost, addresses_of, until

API_TOKEN = "token0of0the0app0for0incidents"  # noqa: S105
WEBHOOK_SECRET = "whsec_dGhlIHNlY3JldCBvZiBhIGJlbmNobWFyaywgMzIgYg=="  # noqa: S105
WARM_SECONDS = 45.0
"""The first speech is late, because models and caches are cold."""
SETTINGS = {
    "VOXWARDEN_CONSOLE__API_TOKENS": json.dumps([API_TOKEN]),
    "VOXWARDEN_CONSOLE__UNDO_SECONDS": "1",
    "VOXWARDEN_WEBHOOKS__FLAGS__SUGGESTIONS": '["review", "block"]',
    "VOXWARDEN_WEBHOOKS__SECRET": WEBHOOK_SECRET,
    "VOXWARDEN_JUDGE__SHADOW_POLICIES": '["default"]',
    "VOXWARDEN_QUALITY__AUDIT_SHARE": "0.1",
    "VOXWARDEN_QUALITY__SECOND_SHARE": "0.2",
    "SSL_CERT_FILE": "",  # the console's client for webhooks needs certificates
}
"""Settings beyond those of the compose file, most of them so that each panel of the dashboards has a value."""


class LiveService:
    """The running deployment, its people and its app."""

    def __init__(self, folder: Path, broker: Broker, database: postgres.Server, app: App, model: str) -> None:
        self.broker, self.database, self.app = broker, database, app
        self.data = folder / "voxwarden"
        self.figures = folder / "prometheus"
        """Prometheus's folder."""
        self.figures.mkdir()
        self.kafka = Kafka(bootstrap=broker.bootstrap, prefix="incidents.")
        self._pause = folder / "pause"
        self.slow_down(0)
        addresses = addresses_of(broker.bootstrap, self.kafka.prefix, database.url)
        more = SETTINGS | {
            slowed.FILE: str(self._pause),
            "VOXWARDEN_WEBHOOKS__URL": app.url,
        }
        topics = Role("topics", folder, addresses).process
        if topics.wait(120):
            raise RuntimeError(f"The topics were not created: {topics.log[-2000:]}")
        modules = {"transcribe": slowed.__name__}
        self.roles = {name: Role(name, folder, addresses, more, modules.get(name, "agents")) for name in NAMES}
        self.host = RoleHost(self.roles)
        app.console = f"http://127.0.0.1:{self.roles['console'].port}"

    @property
    def targets(self) -> dict[str, str]:
        """What Prometheus scrapes: host and port by role."""
        return {name: role.target for name, role in self.roles.items()}

    @contextmanager
    def live(self) -> Iterator[None]:
        """Wait until all roles are ready. Then keep them, let everyone talk and let moderators decide."""
        try:
            for name, role in self.roles.items():
                until(lambda role=role: role.probe("/readyz") == 200, f"{name} is not ready")  # type: ignore[misc]
            with (
                self.host.keeping(),
                self.spoken(everyone()),
                Moderators(self.app.console, self.database.url).working(),
            ):
                yield
        finally:
            for role in self.roles.values():
                role.process.close()

    @contextmanager
    def spoken(self, speakers: Sequence[IncidentSpeaker]) -> Iterator[None]:
        """Let the speakers talk while the block runs."""
        with talking(speakers, self.roles["gateway"].port, SECRETS["VOXWARDEN_TOKEN"]):
            yield

    def stop(self, name: str) -> None:
        """Stop a role. The host does not start it again."""
        self.host.stopped.add(name)
        self.roles[name].process.stop()

    def start(self, name: str) -> None:
        self.roles[name].process.start()
        self.host.stopped.discard(name)

    def announce(self, names: Collection[str]) -> None:
        """Tell Prometheus which roles it finds."""
        announce(self.figures, {name: target for name, target in self.targets.items() if name in names})

    def slow_down(self, seconds: float) -> None:
        """Let the recogniser pause for `seconds` before each utterance."""
        self._pause.write_text(str(seconds))


@contextmanager
def deployed(folder: Path, model: str) -> Iterator[LiveService]:
    """Start a deployment with its data in `folder`. `model` is the size of Whisper."""
    with ExitStack() as running:
        kafka = folder / "kafka"
        kafka.mkdir()
        broker = running.enter_context(Broker(kafka))
        database = running.enter_context(postgres.running())
        app = App(API_TOKEN)
        running.enter_context(app.listening())
        service = LiveService(folder, broker, database, app, model)
        running.enter_context(service.live())
        yield service
