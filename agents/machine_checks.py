"""Checks of what a machine needs to run Voxwarden. Nothing is created, and each missing part comes with its remedy."""

import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Literal

from pipeline.base import open_files
from pipeline.base.errors import DependencyError, VoxwardenError
from pipeline.base.libraries import LIBRARIES, installed, require
from pipeline.settings import Settings

KNOCK_SECONDS = 2.0
# The import names of Voxwarden. `voxwarden.py` checks them before it imports anything.
NAMES = ("agents", "pipeline")

State = Literal["ok", "fault", "optional"]
"""`optional`: missing, but only some commands need it."""


@dataclass(frozen=True, slots=True)
class DoctorResult:
    what: str
    state: State
    detail: str
    """What was found, or what is wrong and the remedy."""


@dataclass(frozen=True, slots=True)
class DoctorCheck:
    """`look` says what it found, and raises VoxwardenError if that is not good."""

    what: str
    look: Callable[[Settings], str]
    needed: bool = True


def examine(settings: Settings, checks: Iterable[DoctorCheck] | None = None) -> Iterator[DoctorResult]:
    """Yield the result of each check, as it is done. Without `checks`, it does the checks of this machine."""
    for check in CHECKS if checks is None else checks:
        try:
            yield DoctorResult(check.what, "ok", check.look(settings))
        except (VoxwardenError, OSError) as error:
            yield DoctorResult(check.what, "fault" if check.needed else "optional", str(error))


def _names(settings: Settings) -> str:
    """Whether other installed packages use the import names, also where Voxwarden's own come first today."""
    del settings
    owners = packages_distributions()
    shared = {name: others for name in NAMES if (others := {*owners.get(name, ())} - {"voxwarden"})}
    if shared:
        held = "; ".join(f"`{name}` is also in {', '.join(sorted(others))}" for name, others in shared.items())
        raise VoxwardenError(held, "Install Voxwarden into a virtual environment of its own: python3 -m venv .venv")
    return f"{' and '.join(NAMES)} belong to Voxwarden alone"


def _libraries(settings: Settings) -> str:
    from pipeline.speech.asr.recogniser import placed

    engine = placed(settings.asr).engine
    require(engine, f"asr.engine: {engine}")
    return ", ".join(installed(library) for library in LIBRARIES)


def _recogniser(settings: Settings) -> str:
    """The weights on this machine, and a second of silence that the engine transcribes. Nothing is downloaded."""
    import numpy as np

    from pipeline.contract.messages import SAMPLE_RATE
    from pipeline.speech.asr.recogniser import Clip, load_recogniser, placed

    asr = placed(settings.asr).model_copy(update={"download": False})
    recogniser = load_recogniser(asr)
    began = time.perf_counter()
    recogniser.transcribe([Clip(np.zeros(SAMPLE_RATE, np.float32), asr.language)])
    return f"{recogniser.name} on {asr.device}: 1 s of audio in {time.perf_counter() - began:.2f} s"


def _audio(settings: Settings) -> str:
    """A second of silence, encoded and decoded in both ways that are kept."""
    del settings
    import av
    import numpy as np

    from pipeline.contract.messages import SAMPLE_RATE
    from pipeline.speech.audio.encode import decode_flac, encode_flac, encode_opus_clip

    silence = np.zeros(SAMPLE_RATE, np.float32)
    kept = decode_flac(encode_flac(silence))
    encode_opus_clip(silence)
    return f"PyAV {av.__version__}, FLAC and Opus ({len(kept)} samples there and back)"


def _vad(settings: Settings) -> str:
    from pipeline.base.metrics import Metrics
    from pipeline.speech.audio.segment_stage import build

    build(settings, Metrics()).close()
    return "Silero, ONNX Runtime"


def _judge(settings: Settings) -> str:
    from pipeline.judge.judge_stage import read_config

    return f"policy {read_config(settings.judge).policy.version}, lexicons {', '.join(settings.judge.lexicons)}"


def check_live_policy(settings: Settings) -> str:
    """What the policy studio has published counts more than the files, so a difference is shown."""
    from pipeline.review.policies.judge_rules import policy_status

    found = policy_status(settings, time.time())
    if found is None:
        return "nothing is published: the files count"
    wrong = [f"{each.worker}: {each.problem}" for each in found.behind if each.problem]
    if wrong:
        raise VoxwardenError("; ".join(wrong), "Correct labels or policy, and publish again.")
    files = "the files are the same" if found.same_files else "the files differ from it, and do not count"
    judges = f"{len(found.judges) - len(found.behind)} of {len(found.judges)} running judges use it"
    return f"{found.live.version} is live; {files}; {judges}"


def check_both_sources(settings: Settings) -> str:
    """Judges can pair words and sounds, if a label needs both. Without such a label, no broker is asked."""
    from agents.broker.kafka_topics import check_pairing, paired_labels
    from pipeline.review.policies.judge_rules import rules_in_use

    rules = rules_in_use(settings)
    if paired_labels(rules):
        reach(settings.kafka.bootstrap)
    return check_pairing(settings.kafka, rules)


def _classifier(settings: Settings) -> str:
    from pipeline.judge.classifier import is_fetched, is_id, load_classifier

    source = settings.judge.model
    if source and is_id(source) and not is_fetched(source):
        raise VoxwardenError(f"{source} is not on this machine", "The first start fetches it from the hub.")
    return load_classifier(settings.judge).name


def _second_ear(settings: Settings) -> str:
    from pipeline.base.metrics import Metrics
    from pipeline.judge.classifier import is_fetched, is_id
    from pipeline.sound.user_model_detector import user_model_detectors

    source = settings.listen.ear
    if source and is_id(source) and not is_fetched(source, "listen.ear"):
        raise VoxwardenError(f"{source} is not on this machine", "The first start fetches it from the hub.")
    detectors = user_model_detectors(settings, Metrics())
    return detectors.name if detectors else "none (listen.ear is unset)"


def _yamnet(settings: Settings) -> str:
    from pipeline.sound.yamnet_detector import yamnet_detectors

    detectors = yamnet_detectors(settings.listen)
    return str(settings.listen.yamnet) if detectors else "off: listen.sounds has no sound that it hears"


def _second_reader(settings: Settings) -> str:
    from pipeline.judge.reader.read_stage import check_reader

    return check_reader(settings)


def check_store(settings: Settings) -> str:
    """The server answers, or the file is intact or can be made. Tables are made by the first start."""
    from sqlalchemy import make_url

    from pipeline.review.database import check_answers, check_intact, name_of

    check_answers(settings.database_url)
    check_intact(settings.database_url)
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite":
        _check_writable(Path(url.database or ""))
    return name_of(settings.database_url)


def check_evidence(settings: Settings) -> str:
    """The folder takes a file, or the server answers. `voxwarden evidence check` also writes and reads a clip."""
    from pipeline.review.evidence.evidence_store import open_evidence

    return open_evidence(settings).check()


def _check_writable(file: Path) -> None:
    there = next(place for place in (file, *file.absolute().parents) if place.exists())
    if not os.access(there, os.W_OK):
        raise DependencyError(f"{there} cannot be written", "Set data_dir, or give the folder to this user.")


def _open_files(settings: Settings) -> str:
    open_files.raise_limit()  # as each command does when it starts
    most, wanted = open_files.limit(), 2 * settings.gateway.max_connections  # the other half is for all else
    if most < wanted:
        raise VoxwardenError(
            f"A process may open {most} files, but gateway.max_connections needs {wanted}",
            "Raise the hard limit, for example with LimitNOFILE= of systemd or --ulimit nofile= of Docker.",
        )
    return f"{most} for each process"


def _broker(settings: Settings) -> str:
    from agents.broker.kafka_topics import plans

    reach(settings.kafka.bootstrap)
    found = plans(settings.kafka)
    if missing := [plan.name for plan in found if plan.missing]:
        raise VoxwardenError(
            f"Kafka at {settings.kafka.bootstrap} lacks {', '.join(missing)}", "Run `voxwarden topics create`."
        )
    return f"{settings.kafka.bootstrap}, {len(found)} topics"


def reach(bootstrap: str) -> None:
    """Connect to one of the brokers, and send nothing. Raises DependencyError if nobody answers."""
    # Before any client of Kafka, which would try for `kafka.connect_seconds`. Its own parser reads the addresses.
    from kafka.cluster import get_ip_port_afi

    for address in bootstrap.split(","):
        try:
            host, port, _ = get_ip_port_afi(address)
            socket.create_connection((host, port), KNOCK_SECONDS).close()
        except (OSError, ValueError) as error:
            reason = error
        else:
            return
    raise DependencyError(f"No broker at {bootstrap}: {reason}", "Start one, or set kafka.bootstrap.")


CHECKS = (
    DoctorCheck("import names", _names),
    DoctorCheck("engines", _libraries),
    DoctorCheck("recogniser", _recogniser),
    DoctorCheck("audio libraries", _audio),
    DoctorCheck("voice activity", _vad),
    DoctorCheck("policy and lexicons", _judge),
    DoctorCheck("classifier", _classifier),
    DoctorCheck("YAMNet", _yamnet),
    DoctorCheck("second ear", _second_ear),
    DoctorCheck("second reader", _second_reader),
    DoctorCheck("review store", check_store),
    DoctorCheck("live policy", check_live_policy),
    DoctorCheck("evidence", check_evidence),
    DoctorCheck("open files", _open_files, needed=False),
    DoctorCheck("words with second ear", check_both_sources, needed=False),
    DoctorCheck("Kafka (for ingest, topics and worker)", _broker, needed=False),
)
