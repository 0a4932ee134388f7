"""JSON from strangers: what the standard says it is, and nothing that Python takes beside it."""

from __future__ import annotations

from json import JSONDecoder
from typing import Any, Final


def parsed(text: str | bytes) -> Any:
    """
    Return what JSON says, of bytes in UTF-8.

    Raises ``ValueError`` for all else: NaN, nesting without end, another encoding.
    """
    try:
        return _DECODER.decode(text if isinstance(text, str) else text.decode("utf-8-sig"))
    except RecursionError:
        raise ValueError("It is nested too deeply.") from None


def _refuse_constant(name: str) -> None:
    # A confidence that is NaN would stay below every threshold.
    raise ValueError(f"{name} is no JSON.")


# Made once, for it costs as much as a short answer does.
_DECODER: Final = JSONDecoder(parse_constant=_refuse_constant)
