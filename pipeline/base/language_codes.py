"""The language codes that Whisper writes. Settings, policies and transcripts use them."""

from difflib import get_close_matches

CODES = frozenset(
    "en zh de es ru ko fr ja pt tr pl ca nl ar sv it id hi fi vi he uk el ms cs ro da hu ta no th ur hr bg lt la mi ml"  # noqa: SIM905
    " cy sk te fa lv bn sr az sl kn et mk br eu is hy ne mn bs kk sq sw gl mr pa si km sn yo so af oc ka be tg sd gu am"
    " yi lo uz fo ht ps tk nn mt sa lb my bo tl mg as tt haw ln ha ba jw su yue".split()
)

# Names of countries and languages that people give instead.
COMMON_MISTAKES = {
    "cn": "zh", "chinese": "zh", "mandarin": "zh", "cmn": "zh", "tw": "zh", "hk": "yue", "cantonese": "yue",
    "us": "en", "gb": "en", "english": "en", "jp": "ja", "japanese": "ja", "kr": "ko", "korean": "ko",
    "ua": "uk", "gr": "el", "cz": "cs", "dk": "da", "se": "sv", "vn": "vi", "jv": "jw", "in": "hi",
    "german": "de", "french": "fr", "spanish": "es", "russian": "ru", "portuguese": "pt", "arabic": "ar",
}  # fmt: skip


def check_code(code: str) -> str:
    """`code`, if Whisper writes it; raises ValueError with the nearest one that it does."""
    if code in CODES:
        return code
    low = code.lower()
    base = low.replace("_", "-").partition("-")[0]
    near = COMMON_MISTAKES.get(low) or COMMON_MISTAKES.get(base) or (base if base in CODES else None)
    near = near or next(iter(get_close_matches(low, CODES, 1)), None)
    raise ValueError(f"{code!r} is no language code of Whisper" + (f" (did you mean {near}?)" if near else ""))
