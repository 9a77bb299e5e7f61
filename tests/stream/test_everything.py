"""Everything together, each part real and in its own process: speech comes in two ways, and an action goes out.

Kafka, PostgreSQL, all roles of the compose file, Prometheus, a LiveKit server, and an app that receives webhooks.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from uuid import uuid4

import certifi
import httpx
import pytest

from agents.deployment_checks import checks
from agents.machine_checks import examine
from pipeline.connect.client.speaker_stream import SpeakerStream
from pipeline.console.guard import COOKIE, HEADER
from pipeline.contract.messages import SAMPLE_RATE
from pipeline.contract.topology import STAGES
from pipeline.review.accounts import sign_in
from pipeline.review.cases.case_values import CaseFile, Filters
from pipeline.review.database import Database
from pipeline.review.review_store import SqlReviewStore
from pipeline.settings import Kafka, Settings, Store
from pipeline.speech.audio.recording_parts import chunks_of
from tests.deploy.prometheus import Prometheus, prometheus
from tests.deploy.stack import SECRETS
from tests.livekit import KEY, SECRET, LiveKit, Person, joined, until
from tests.pipeline.review import people, postgres
from tests.pipeline.review.delivery.receiver import ReceivingApp, receiving
from tests.stream.roles import FROM, NAMES, TO, VOICE, Role, addresses_of

pytestmark = [pytest.mark.broker, pytest.mark.weights]

APP_TOKEN = "token0of0the0app0token0of0the0app"  # noqa: S105
WEBHOOK_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="  # noqa: S105
PATIENCE_SECONDS = 150
"""A busy machine needs much of it."""
ROLES = (*NAMES, "livekit")


class Deployment:
    """All roles, with the server that each needs."""

    def __init__(self, stack: ExitStack, folder: Path, bootstrap: str) -> None:
        self.store_url = stack.enter_context(postgres.server())
        self.livekit = stack.enter_context(LiveKit(folder))
        self.app: ReceivingApp = stack.enter_context(receiving())
        addresses = addresses_of(bootstrap, f"{uuid4().hex[:8]}.", self.store_url) | {
            "VOXWARDEN_LIVEKIT__URL": self.livekit.url,
            "VOXWARDEN_LIVEKIT__API_KEY": KEY,
            "VOXWARDEN_LIVEKIT__API_SECRET": SECRET,
            "VOXWARDEN_LIVEKIT__WEBHOOK_HOST": "127.0.0.1",
            "VOXWARDEN_LIVEKIT__WEBHOOK_PORT": str(self.livekit.webhook),
        }
        topics = Role("topics", folder, addresses).process
        assert topics.wait(60) == 0, topics.log
        self.roles: dict[str, Role] = {}
        for name in ROLES:
            self.roles[name] = Role(name, folder, addresses, self._more(name))
            stack.callback(self.roles[name].process.close)
            addresses |= {"VOXWARDEN_LIVEKIT__GATEWAY_URL": self.gateway_url}
        self.addresses = addresses
        targets = {name: role.target for name, role in self.roles.items()}
        self.figures: Prometheus = stack.enter_context(prometheus(folder, targets))
        self.store = stack.enter_context(closing(SqlReviewStore(Database(self.store_url))))

    @property
    def gateway_url(self) -> str:
        return f"ws://127.0.0.1:{self.roles['gateway'].port}"

    @property
    def console_url(self) -> str:
        return f"http://127.0.0.1:{self.roles['console'].port}"

    def alive(self) -> None:
        for role in self.roles.values():
            role.process.running()

    async def wait(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds, as long as all processes run."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not await asyncio.to_thread(condition):
            self.alive()
            assert time.monotonic() < deadline
            await asyncio.sleep(0.3)

    def case_of(self, room: str) -> CaseFile | None:
        """The newest case of a room, as soon as it has its clip."""
        cases = [self.store.case(case.id) for case in self.store.cases(Filters(room=room))]
        return next((file for file in cases if file.evidence), None)

    def raised(self) -> set[tuple[str, str]]:
        """Room and speaker of the flags that the app was told of."""
        found = [got.event for got in self.app.got]
        return {(e["data"]["room"], e["data"]["speaker"]) for e in found if e["type"] == "flag.raised"}

    def _more(self, name: str) -> dict[str, str]:
        if name not in {"deliver", "console"}:
            return {}
        hooks = {"URL": self.app.url, "SECRET": WEBHOOK_SECRET, "FLAGS__SUGGESTIONS": '["review", "block"]'}
        console = {"API_TOKENS": f'["{APP_TOKEN}"]', "UNDO_SECONDS": "60"}
        return (
            {"SSL_CERT_FILE": certifi.where()}
            | {f"VOXWARDEN_WEBHOOKS__{key}": value for key, value in hooks.items()}
            | {f"VOXWARDEN_CONSOLE__{key}": value for key, value in console.items()}
        )


@pytest.fixture
def deployment(bootstrap: str, tmp_path: Path) -> Iterator[Deployment]:
    with ExitStack() as stack:
        made = Deployment(stack, tmp_path, bootstrap)
        made.figures.wait_for_all([f'up{{role="{name}"}} == 1' for name in ROLES], made.alive)
        yield made


def threat() -> bytes:
    """A threat among harmless sentences, 16 kHz PCM."""
    return b"".join(chunk.data for chunk in chunks_of(VOICE, "any", "any") if FROM <= chunk.start < TO)


async def speak_by_websocket(url: str) -> None:
    pcm = threat()
    async with SpeakerStream(url, SECRETS["VOXWARDEN_TOKEN"], "attic", "ben") as stream:
        for at in range(0, len(pcm), SAMPLE_RATE):
            await stream.send(pcm[at : at + SAMPLE_RATE])


async def speak_in_livekit(person: Person) -> None:
    await person.open_microphone()
    await asyncio.sleep(1)
    await person.say(threat(), SAMPLE_RATE)


def moderator(deployment: Deployment) -> httpx.Client:
    """A client of the console, signed in as a moderator."""
    with closing(Database(deployment.store_url)) as database:
        people.hire(database)
        with database.write() as connection:
            token = sign_in.begin_session(connection, "ana", time.time())
            session = sign_in.find_session(connection, token, time.time())
    assert session
    return httpx.Client(
        base_url=deployment.console_url, cookies={COOKIE: token}, headers={HEADER: session.csrf}, timeout=60
    )


def decide(client: httpx.Client, file: CaseFile) -> str:
    """Uphold the case and mute the speaker; return the id of the decision."""
    opened = client.post(f"/cases/{file.case.id}/open").raise_for_status().text
    [lease] = [part.split('"')[0] for part in opened.split('data-lease="')[1:]]
    form = {"verdict": "uphold", "action": "mute", "lease": lease, "version": str(file.case.version)}
    client.post(f"/cases/{file.case.id}/decision", data=form).raise_for_status()
    return file.case.id


def confirm(deployment: Deployment, decision: str) -> httpx.Response:
    """The app confirms the mute, too. What the bot has confirmed holds."""
    headers = {"Authorization": f"Bearer {APP_TOKEN}"}
    body = {"decision": decision, "action": "mute", "result": "done"}
    return httpx.post(f"{deployment.console_url}/api/v1/actions", json=body, headers=headers, timeout=60)


def check_figures(deployment: Deployment) -> None:
    """Check the metrics that operators see."""
    figures = deployment.figures
    figures.wait_for_all(["voxwarden:speech_to_flag_seconds:p95_5m", "voxwarden:dead_letters:ratio_rate10m"])
    [kept] = figures.query("voxwarden_evidence_retention_seconds > 0")
    assert float(kept["value"][1]) == 24 * 3600
    assert figures.query("sum(voxwarden_dead_letters_total)")[0]["value"][1] == "0"
    assert figures.query('ALERTS{alertname=~"VoxwardenWorkerDown|VoxwardenRoleMissing"}') == []


def check_with_doctor(deployment: Deployment, data: Path) -> None:
    """Let the doctor look at all parts. It finds nothing wrong."""
    given = deployment.addresses
    kafka = Kafka(bootstrap=given["VOXWARDEN_KAFKA__BOOTSTRAP"], prefix=given["VOXWARDEN_KAFKA__PREFIX"], partitions=2)
    store = Store.model_validate({"url": deployment.store_url})
    settings = Settings(kafka=kafka, store=store, data_dir=data)
    services = [deployment.gateway_url, f"{deployment.console_url}/healthz"]
    targets = [role.target for role in deployment.roles.values()]
    found = list(examine(settings, checks(settings, targets, services)))
    assert [each for each in found if each.state != "ok"] == []
    running = [stage for stage in STAGES if not stage.switch]
    assert len(found) == 8 + len(running) + len(targets) + len(services)


@pytest.mark.timeout(600)
async def test_speech_comes_in_two_ways_and_a_mute_goes_out_and_back(deployment: Deployment, tmp_path: Path) -> None:
    async with joined(deployment.livekit.url, "lounge", "ann") as ann:
        await asyncio.gather(speak_in_livekit(ann), speak_by_websocket(deployment.gateway_url))
        await deployment.wait(lambda: deployment.raised() >= {("lounge", "ann"), ("attic", "ben")})
        await deployment.wait(lambda: deployment.case_of("lounge"))
        file = deployment.case_of("lounge")
        assert file
        assert (file.case.speaker, file.case.label) == ("ann", "violence")
        with moderator(deployment) as client:
            await asyncio.to_thread(decide, client, file)
            await until(lambda: not ann.may_publish, PATIENCE_SECONDS)
            [decision] = deployment.store.case(file.case.id).decisions
            await deployment.wait(lambda: confirm(deployment, decision.id).status_code == 200)
            assert confirm(deployment, decision.id).json()["result"] == "done"
            (await asyncio.to_thread(client.post, "/undo")).raise_for_status()
            await until(lambda: ann.may_publish, PATIENCE_SECONDS)
            page = f"/cases/{file.case.id}"
            await deployment.wait(lambda: "Mute · ended · by a decision" in client.get(page).text)
        await until(lambda: [notice["action"] for notice in ann.notices] == ["mute", "unmute"], PATIENCE_SECONDS)
    counted = 'voxwarden_livekit_actions_total{{action="{}", result="done"}} == 1'
    await asyncio.to_thread(
        deployment.figures.wait_for_all, [counted.format("mute"), counted.format("unmute")], deployment.alive
    )
    await asyncio.to_thread(check_with_doctor, deployment, tmp_path / "voxwarden")
    await asyncio.to_thread(check_figures, deployment)
    assert {name: role.process.stop() for name, role in deployment.roles.items()} == dict.fromkeys(ROLES, 0)
    [clip] = file.evidence
    assert (tmp_path / "voxwarden" / "evidence" / clip.path).stat().st_size > 1000
