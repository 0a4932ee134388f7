"""How the commands put lengths of time, and text that is not theirs."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

_DAY: Final = 86400
_UNITS: Final = (("days", _DAY), ("h", 3600), ("min", 60), ("s", 1))


def lasting(seconds: float) -> str:
    """Return a length of time in words: ``0.4 s``, ``5 min 3 s``, ``26 h 43 min``, ``2 days 4 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    rest = round(seconds)
    parts: list[str] = []
    for unit, length in _UNITS[rest < 2 * _DAY :]:
        count, rest = divmod(rest, length)
        if count or parts:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def one_line(text: str) -> str:
    """Return untrusted text without what could write elsewhere than on its own line of a terminal."""
    return "".join(character if character.isprintable() else " " for character in text)


def age_text(age: timedelta) -> str:
    """Return a length of time in its largest unit of which there are at least two: "119 s", "47 h", "2 days"."""
    seconds = max(age.total_seconds(), 0)
    for unit, length in _UNITS:
        if seconds >= 2 * length:
            return f"{seconds // length:.0f} {unit}"
    return f"{seconds:.0f} s"
