"""What strangers wrote, made fit for every database."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def storable(value: Any) -> Any:
    """
    Return a value, or all that a dict or a list holds, as every database takes it.

    PostgreSQL refuses NUL, and no database takes half a surrogate pair or, in JSON, what is no number. Whatever JSON
    does not know becomes its text where it is inside JSON; other values stay as they are.
    """
    if isinstance(value, str):
        if value.isascii() and "\x00" not in value:
            # As nearly always. A verdict holds dozens of texts.
            return value
        return value.replace("\x00", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {storable(key) if isinstance(key, str) else key: storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return value
