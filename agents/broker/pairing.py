"""Whether words and sounds of a speaker reach the same judge, as labels with `sources: both` need.

Judges share the partitions of both topics. The same numbers go to the same judge only if the topics have equally many.
"""

import logging

from agents.broker.topics import plans
from pipeline.base.errors import ConfigError, VoxwardenError
from pipeline.contract.topology import SOUNDS, TRANSCRIPTS
from pipeline.judge.judge_stage import JudgeConfig
from pipeline.settings import Kafka

log = logging.getLogger(__name__)


def paired_labels(rules: JudgeConfig) -> list[str]:
    """Return the labels that need words and second ear, by the policy or a shadow policy."""
    policies = [rules.policy, *(shadow.policy for shadow in rules.shadows)]
    return sorted({label for policy in policies for label in policy.need_both()})


def check_pairing(kafka: Kafka, rules: JudgeConfig) -> str:
    """Return the labels and the number of partitions, as a text.

    Raises ConfigError if judges cannot pair words and sounds, and DependencyError if the broker does not answer.
    """
    labels = paired_labels(rules)
    if not labels:
        return "no label needs both"
    found = {plan.name: plan.found["partitions"] for plan in plans(kafka, [TRANSCRIPTS, SOUNDS]) if not plan.missing}
    most = max(found.values(), default=0)
    if fewer := [name for name, partitions in found.items() if partitions < most]:
        counts = " and ".join(f"{name} has {partitions}" for name, partitions in found.items())
        raise ConfigError(
            f"{', '.join(labels)}: several judges cannot pair words and sounds, because of the partitions {counts}",
            f"Run kafka-topics.sh --bootstrap-server {kafka.bootstrap} --alter --topic {fewer[0]} --partitions {most}",
        )
    return f"{', '.join(labels)}: each of the two topics has {most} partitions"


def warn_unpaired(kafka: Kafka, rules: JudgeConfig) -> None:
    """Log what `check_pairing` raises. The judge starts anyway: labels that need one source are flagged."""
    try:
        check_pairing(kafka, rules)
    except VoxwardenError as error:
        log.warning("%s", error)
