"""How one parameter is read: there, of its type, in its letters, not too long. For both generations."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from ..providers.alibaba.checksums import CRYPT_TYPES

MAX_URL: Final = 2048
MAX_SEED: Final = 64
# Source: the parameters of the asynchronous operations of both generations.
SEED: Final = r"[A-Za-z0-9_]+"
HTTP_URL: Final = r"(?i:https?)://[^/?#]+.*"

Problem = Literal["missing", "wrong", "long"]


class BadField(Exception):
    """A parameter is not as it must be."""

    def __init__(self, problem: Problem, message: str) -> None:
        super().__init__(message)
        self.problem = problem
        self.message = message


@dataclass(frozen=True, kw_only=True, slots=True)
class CallbackWish:
    """Where a result is to be sent, and how it is to be sealed."""

    url: str
    seed: str = field(repr=False)
    crypt_type: str


def read_text(
    given: Mapping[str, Any],
    name: str,
    *,
    pattern: str | None = None,
    max_length: int | None = None,
    is_needed: bool = False,
) -> str:
    """Return a text; empty where it is not there, or null. The pattern is of all of it."""
    value = given.get(name)
    if value is None or value == "":
        if is_needed:
            raise BadField("missing", f"{name} is empty")
        return ""
    if not isinstance(value, str):
        raise BadField("wrong", f"{name} must be a string")
    if max_length is not None and len(value) > max_length:
        raise BadField("long", f"{name} has more than {max_length:,} characters")
    if pattern is not None and not re.fullmatch(pattern, value, re.DOTALL):
        raise BadField("wrong", f"{name} is not well formed")
    return value


def read_number(given: Mapping[str, Any], name: str, *, at_most: int | None = None) -> int | None:
    """Return a whole number from 1 on; None where it is not there, or null."""
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1 or (at_most is not None and value > at_most):
        raise BadField("wrong", f"{name} must be a number from 1" + (f" to {at_most}" if at_most else " on"))
    return value


def read_choice(given: Mapping[str, Any], name: str, choices: Collection[str], default: str = "") -> str:
    """Return one of the choices, or the default where it is not there."""
    value = read_text(given, name)
    if value and value not in choices:
        raise BadField("wrong", f"{name} must be one of {', '.join(choices)}")
    return value or default


def read_choices(given: Mapping[str, Any], name: str, choices: Collection[str]) -> tuple[str, ...]:
    """Return a list of choices, each once; empty where it is not there."""
    values = given.get(name)
    if values is None:
        return ()
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise BadField("wrong", f"{name} must be a list of strings")
    if unknown := [value for value in values if value not in choices]:
        raise BadField("wrong", f"{name} has {unknown[0][:64]!r}, which is none of {', '.join(choices)}")
    return tuple(dict.fromkeys(values))


def read_callback(given: Mapping[str, Any]) -> CallbackWish | None:
    """Return where the result is to be sent; None where it is not to be sent at all."""
    crypt_type = read_choice(given, "cryptType", CRYPT_TYPES, "SHA256")
    seed = read_text(given, "seed", pattern=SEED, max_length=MAX_SEED)
    url = read_text(given, "callback", pattern=HTTP_URL, max_length=MAX_URL)
    if url and not seed:
        raise BadField("wrong", "seed is needed with callback")
    return CallbackWish(url=url, seed=seed, crypt_type=crypt_type) if url else None
