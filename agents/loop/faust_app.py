"""The Faust app of one worker: one role, one consumer group, and settings with which no record was lost in tests."""

import tempfile
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

import faust

from agents.broker.kafka_clients import MAX_MESSAGE_BYTES, ROOM_FOR_ERRORS, topic_name
from agents.broker.kafka_security import faust_credentials
from agents.loop.intake import Expiry, Transport
from pipeline.base import logs
from pipeline.base.metrics import Metrics
from pipeline.contract.topology import Stage, Topic
from pipeline.settings import Settings

SESSION_SECONDS = 6.0  # a worker that sends no heartbeat for this long loses its partitions to the others
# Batches in one fetch, at most. A larger fetch makes a new record wait longer for another partition's backlog.
FETCH_BATCHES = 2
# A batch must be done within this time. Otherwise workers evict each other from the consumer group again and again.
REBALANCE_SECONDS = 30.0

# After this time, a send that the broker has not confirmed fails. The stage loop then sends again.
PRODUCER_SECONDS = 40.0

# How often the clients look for new partitions. With their default of 5 minutes, speech on a new partition would wait.
METADATA_SECONDS = 10


# The loggers that log each attempt to reach a broker, and each tick that waits for a batch.
CHATTY_LOGGERS = (
    "aiokafka",
    "aiokafka.consumer.fetcher",
    "aiokafka.consumer.group_coordinator",
    "aiokafka.producer.sender",
    "mode.timers",
)


CLIENT = "voxwarden-"

PartitionName = tuple[str, int]
"""A topic's name and a partition number."""


def group_of(settings: Settings, stage: Stage) -> str:
    """Return the name of the consumer group that all workers of a role share."""
    return f"{settings.kafka.prefix}voxwarden-{stage.name}"


def client_id() -> str:
    """What a worker is called at the broker: it tells its version."""
    return f"{CLIENT}{version('voxwarden')}"


def version_of(client: str) -> str:
    """Return the version of the worker with this client id; empty if it tells none."""
    return client.removeprefix(CLIENT) if client.startswith(CLIENT) else ""


def broker_url(settings: Settings) -> str:
    return ";".join(f"kafka://{address}" for address in settings.kafka.bootstrap.split(","))


def create_faust_app(settings: Settings, stage: Stage, metrics: Metrics) -> faust.App:
    """Build a Faust app that acknowledges nothing by itself and creates no topic. `StageLoop` runs on it."""
    logs.without_debug("aiokafka", "faust")
    logs.without_repeats(*CHATTY_LOGGERS)
    app = faust.App(
        group_of(settings, stage),
        broker=broker_url(settings),
        broker_client_id=client_id(),
        broker_credentials=faust_credentials(settings.kafka.security),
        store="memory://",  # there are no tables
        datadir=tempfile.gettempdir(),  # Faust makes a folder for tables
        web_enabled=False,  # the metrics have a server of their own, in a thread
        topic_disable_leader=True,  # no task needs a leader, and Faust would create a topic to elect one
        topic_allow_declare=False,  # `voxwarden topics create` makes them, with their own settings
        key_serializer="raw",
        value_serializer="raw",
        # A stage that holds records does so on purpose. If Faust waited for them, SIGTERM would hang.
        stream_wait_empty=not stage.holds,
        worker_redirect_stdouts=False,  # Faust would log what is printed
        broker_session_timeout=SESSION_SECONDS,
        broker_heartbeat_interval=SESSION_SECONDS / 4,  # a session outlives two lost heartbeats
        broker_rebalance_timeout=REBALANCE_SECONDS,
        broker_request_timeout=REBALANCE_SECONDS,  # the broker answers a request to join when the rebalance ends
        broker_commit_interval=1.0,  # after a crash, about this much finished work comes again
        consumer_metadata_max_age_ms=METADATA_SECONDS * 1000,
        producer_metadata_max_age_ms=METADATA_SECONDS * 1000,
        broker_max_poll_records=FETCH_BATCHES * stage.batch,
        consumer_auto_offset_reset="earliest",  # a new group begins with the oldest record, so it misses none
        consumer_group_instance_id=settings.kafka.instance,
        producer_acks=-1,  # all in-sync replicas have the outputs before their batch is acknowledged
        producer_request_timeout=PRODUCER_SECONDS,
        producer_max_request_size=MAX_MESSAGE_BYTES * ROOM_FOR_ERRORS,  # a dead letter is larger than its record
    )
    app.transport = Transport(app.conf.broker_consumer, app, Expiry(stage, metrics))
    return app


def follow_assignment(app: faust.App, change: Callable[[frozenset[PartitionName] | None], None]) -> None:
    """Call `change` with the partitions of this worker at each assignment, and with None when it loses them."""

    async def assigned(_: Any, given: Any, **__: Any) -> None:
        change(frozenset((each.topic, each.partition) for each in given))

    async def revoked(_: Any, __: Any, **___: Any) -> None:
        change(None)

    happened: Any = app  # Faust types its signals for handlers that take anything
    happened.on_partitions_assigned.connect(assigned)
    happened.on_partitions_revoked.connect(revoked)


def channel_of(app: faust.App, topics: Sequence[Topic], settings: Settings) -> Any:
    """Return a Faust channel with all records of `topics` as raw bytes.

    `pipeline/contract/cloud_events.py` decodes them.
    """
    return app.topic(
        *(topic_name(topic, settings.kafka) for topic in topics),
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
    )
