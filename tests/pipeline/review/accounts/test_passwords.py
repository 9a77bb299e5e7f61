"""Password hashes."""

from pipeline.review.accounts import passwords
from tests.pipeline.review.people import PASSWORD


def test_a_hash_is_argon2id_with_the_second_profile_of_rfc_9106() -> None:
    stored = passwords.new(PASSWORD, "lin")
    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert PASSWORD not in stored
    assert stored != passwords.new(PASSWORD, "lin")


def test_only_the_right_password_matches_its_hash() -> None:
    stored = passwords.new(PASSWORD, "lin")
    assert passwords.fits(PASSWORD, stored)
    assert not passwords.fits(PASSWORD.capitalize(), stored)
    assert not passwords.fits(PASSWORD, None)
    assert not passwords.fits(PASSWORD, "no hash")
