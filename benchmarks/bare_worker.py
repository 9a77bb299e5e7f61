"""A plain aiokafka loop that reads, writes and commits records, as the baseline of stream.py.

python -m benchmarks.bare_worker BOOTSTRAP TAKES GIVES GROUP BATCH
"""

import asyncio
import sys
import time

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.fast_worker import transcript
from pipeline.contract.cloud_events import decode_event, encode_event
from pipeline.contract.messages import Utterance


async def main(bootstrap: str, takes: str, gives: str, group: str, batch: str) -> None:
    consumer = AIOKafkaConsumer(
        takes, bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    committed = time.monotonic()
    async with consumer, producer:
        while True:
            batches = await consumer.getmany(timeout_ms=50, max_records=int(batch))
            events = [
                encode_event(transcript(decode_event(Utterance, record.value, record.headers)), "bare")
                for records in batches.values()
                for record in records
            ]
            sent = [await producer.send(gives, key=e.key, value=e.value, headers=e.headers) for e in events]
            await asyncio.gather(*sent)
            if sent and time.monotonic() - committed > 1:
                await consumer.commit()
                committed = time.monotonic()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
