"""Puts recordings into the bank of a store."""

from contextlib import closing

from pipeline.review import bank
from pipeline.review.bank import Bank
from pipeline.review.database import Database
from pipeline.sound.fingerprints.fingerprint import Fingerprint


def ban(url: str, *made: Fingerprint) -> Bank:
    """Make the store, if there is none, and add recordings. Return its bank."""
    with closing(Database(url)) as database, database.write() as connection:
        for each in made:
            bank.add_recording(connection, each)
    return Bank(url)


def unban(url: str, identity: str, at: float = 1.8e9) -> None:
    """Remove a recording."""
    with closing(Database(url)) as database, database.write() as connection:
        bank.remove_recording(connection, identity, "lin", at)
