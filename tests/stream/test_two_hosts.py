"""Two deliver processes with disks of their own share one PostgreSQL and one bucket, and survive its outage."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pipeline.contract.messages import Flag
from pipeline.contract.topology import DELIVER, FLAGS, UTTERANCES
from pipeline.review.database import Database
from pipeline.review.evidence import evidence_maintenance
from pipeline.review.evidence.evidence_store import open_evidence
from pipeline.review.evidence.sealing import MAGIC
from pipeline.settings import EvidenceSettings, Settings, Store
from pipeline.speech.audio.decode import read_file
from pipeline.speech.audio.encode import encode_flac
from tests import s3
from tests.broker import ROOT
from tests.builders import NOON, flag, utterance
from tests.pipeline.review import postgres
from tests.s3 import S3Server
from tests.stream.kafka_io import put, wait_for_members, wait_until
from tests.stream.test_deliver import COUNT, deliver, done, flags

pytestmark = [pytest.mark.broker, pytest.mark.timeout(900)]

START_SECONDS = 240
"""Two workers start beside other tests, and start again after the outage."""

KEY = {"id": "k1", "key": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}


@pytest.fixture
def server() -> Iterator[S3Server]:
    with s3.running() as made:
        yield made


@pytest.fixture
def hosts(settings: Settings, server: S3Server, tmp_path: Path) -> Iterator[list[Settings]]:
    """Return the settings of three hosts: they differ in their disks only."""
    bucket = server.settings(server.make_bucket("clips"))
    evidence = EvidenceSettings.model_validate({"store": "s3", "s3": bucket, "encryption": {"keys": [KEY]}})
    with postgres.server() as url:
        shared = {"evidence": evidence, "store": Store.model_validate({"url": url})}
        yield [settings.model_copy(update={**shared, "data_dir": tmp_path / name}) for name in ("one", "two", "three")]


def later(settings: Settings, made: list[Flag]) -> list[Flag]:
    """Return a flag for each case of `made`. It follows at once, so the case grows and gets a longer clip."""
    audio = encode_flac(next(read_file(ROOT / "tests" / "data" / "tt-weasels.flac")))
    said = [
        utterance(f"later-{each.id}", each.end, each.end + 1, room=each.room, speaker=each.speaker, data=audio)
        for each in made
    ]
    written = [f"{at.topic}/{at.partition}/{at.offset}" for at in put(settings, UTTERANCES, said)]
    return [
        flag(
            f"late-{each.id}", each.end - NOON - 0.5, each.end - NOON + 1, utterance=one.id, room=each.room, address=at
        )
        for each, one, at in zip(made, said, written, strict=True)
    ]


def test_both_write_into_one_bucket_and_lose_no_clip_in_its_outage(
    hosts: list[Settings], server: S3Server, tmp_path: Path
) -> None:
    one, two, console = hosts
    first = flags(one)
    grown = later(one, first)
    workers = [deliver(one, tmp_path / "one.log"), deliver(two, tmp_path / "two.log")]

    def supervise() -> None:
        for process in workers:
            process.supervise()

    try:
        wait_for_members(one, DELIVER, 2)
        put(one, FLAGS, first)
        wait_until(lambda: done(one) >= COUNT, supervise, START_SECONDS)
        server.kill()
        put(one, FLAGS, grown)
        wait_until(lambda: any("S3 bucket clips" in process.log for process in workers), supervise, START_SECONDS)
        server.start()
        wait_until(lambda: done(one) >= 2 * COUNT, supervise, START_SECONDS)
        supervise()  # the outage may have ended one
        wait_for_members(one, DELIVER, 2)  # a process that is only starting would be ended by the signal itself
        assert [process.stop() for process in workers] == [0, 0]
    finally:
        for process in workers:
            process.close()

    evidence = open_evidence(console)
    with closing(Database(console.database_url)) as database:
        found = list(evidence_maintenance.all_clips(database))
        assert all(isinstance(evidence_maintenance.read_clip(evidence, clip), bytes) for clip in found)
    assert len(found) == COUNT
    assert sorted(evidence.paths(4e9)) == sorted(clip.path for clip in found), "no clip without a case"
    bodies = [server.client().get_object(Bucket="clips", Key=clip.path)["Body"].read() for clip in found]
    assert all(body.startswith(MAGIC) for body in bodies)
    assert [file for host in hosts for file in host.data_dir.rglob("*.ogg")] == []
