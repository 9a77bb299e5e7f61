"""Puts recordings into the bank of a store."""

from contextlib import closing

from pipeline.review import recording_bank
from pipeline.review.database import Database
from pipeline.review.recording_bank import Bank
from pipeline.sound.fingerprints.fingerprint import Fingerprint


def ban(url: str, *made: Fingerprint) -> Bank:
    """Make the store, if there is none, and add recordings. Return its bank."""
    with closing(Database(url)) as database, database.write() as connection:
        for each in made:
            recording_bank.add_recording(connection, each)
    return Bank(url)


def unban(url: str, identity: str, at: float = 1.8e9) -> None:
    """Remove a recording."""
    with closing(Database(url)) as database, database.write() as connection:
        recording_bank.remove_recording(connection, identity, "lin", at)
