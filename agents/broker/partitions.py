"""Which partition of a topic has the records of a key."""

from collections.abc import Collection

from aiokafka.partitioner import DefaultPartitioner

_choose = DefaultPartitioner()


def partition_of(key: bytes, numbers: Collection[int]) -> int:
    """Return the partition for `key` out of all partitions `numbers`. All our producers choose it in this way."""
    ordered = sorted(numbers)
    return int(_choose(key, ordered, ordered))
