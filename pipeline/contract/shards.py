"""The keys of Kafka records. Records with the same key stay in order on one partition.

A key is a room, or a shard of a room: some of its speakers. The setting `kafka.room_shards` is the number of shards.
With one shard, every key is the room. With more, several workers can process one large room. The order across speakers
is lost only where no stage needs it: in audio, utterances and transcripts. Flags and statuses keep the room as their
key, so webhooks and the feed give the verdicts of a room in order.
"""

from zlib import crc32

from pipeline.contract.messages import AudioChunk, EarlyUtterance, Message, Sound, Transcript, Utterance

# Messages that need the order of each speaker only.
BY_SPEAKER = (AudioChunk, Utterance, EarlyUtterance, Sound, Transcript)


def record_key(message: Message, shards: int) -> bytes:
    """The key of a message's record, if each room has `shards` shards. Raises ValueError for invalid Unicode."""
    # Not `hash`, which differs in each process: all stages must choose the same shard.
    number = crc32(message.speaker.encode()) % shards if isinstance(message, BY_SPEAKER) else 0
    return shard_key(message.room, number)


def keys_of(room: str, shards: int) -> list[bytes]:
    """The keys of all shards of a room. The first one is the room itself."""
    return [shard_key(room, number) for number in range(shards)]


def shard_key(room: str, number: int) -> bytes:
    """The key of one shard. The first one is the name of the room."""
    # So the records of apps that know no shards are valid, and a room with one shard keeps its key.
    return f"{room}#{number}".encode() if number else room.encode()
