"""The close codes are part of the contract with apps, and an error carries its own."""

from agents.gateway.close import Close, RefusalError


def test_the_close_codes_are_those_of_the_manual() -> None:
    assert {code.name: int(code) for code in Close} == {
        "RESTART": 1012, "TRY_LATER": 1013, "TOO_BIG": 1009, "BAD_REQUEST": 4400,
        "UNAUTHORIZED": 4401, "SWITCHED_OFF": 4403, "IDLE": 4408, "REPLACED": 4409, "BAD_AUDIO": 4415, "TOO_FAST": 4429,
    }  # fmt: skip


def test_a_refusal_has_its_code_and_says_what_to_do() -> None:
    refusal = RefusalError(Close.TOO_FAST, "Too much audio", "Send it as it is spoken.")
    assert refusal.code is Close.TOO_FAST
    assert str(refusal) == "Too much audio. Send it as it is spoken."
