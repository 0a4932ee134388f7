"""What the provider said, fit to be kept and shown: without what may let others in, and bounded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from ...redaction import without_queries

# An answer of either generation is nested five deep.
MAX_DEPTH: Final = 16
MAX_DESCRIPTION: Final = 255
MAX_QUOTE: Final = 200


def shortened(text: str, length: int = MAX_DESCRIPTION) -> str:
    """Return what a stranger wrote so that it can be stored and shown: bounded, in one line."""
    plain = text[: length + 1]
    if not plain.isprintable():
        plain = "".join(letter if letter.isprintable() else " " for letter in plain)
    return plain if len(plain) <= length else f"{plain[: length - 1]}…"


# Their values let others in, or fetch the picture.
_SECRET_KEYS: Final = frozenset(
    {"tempurl", "tepmurl", "accesskeyid", "accesskeysecret", "securitytoken", "signature", "seed", "checksum"}
)
# Parameters and headers. A refused signature is answered with all that was signed, a security token among it.
_PARAMETER: Final = re.compile(
    r"""\b((?:oss)?access-?key-?(?:id|secret)|signature|security-?token|x-(?:oss|acs)-[\w-]{1,40})"""
    r"""(["']?[:=]\s{0,4}["']?)[^\s&"'<>]+""",
    re.IGNORECASE,
)


def cleaned_text(text: str) -> str:
    """Return a text without what may let others in: queries and users of its URLs, signatures, tokens."""
    # There is nothing to be found without one of these, and most texts have none.
    if ":" not in text and "=" not in text:
        return text
    return _PARAMETER.sub(r"\1\2…", without_queries(text))


def cleaned(value: Any, depth: int = MAX_DEPTH) -> Any:
    """Return JSON values without secrets and without signed or temporary URLs, cut where they are nested too deeply."""
    if isinstance(value, str):
        return cleaned_text(value)
    is_mapping = isinstance(value, Mapping)
    if not is_mapping and not isinstance(value, (list, tuple)):
        return value
    if not depth:
        return "…"
    if is_mapping:
        return {
            cleaned_text(key): cleaned(item, depth - 1)
            for key, item in value.items()
            if key.lower() not in _SECRET_KEYS
        }
    return [cleaned(item, depth - 1) for item in value]


def said(words: object) -> str:
    """Return the provider's own words so that they can be quoted; empty where they are none."""
    return shortened(cleaned_text(words), MAX_QUOTE) if isinstance(words, str) else ""
