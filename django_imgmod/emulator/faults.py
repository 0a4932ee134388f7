"""
Faults on demand: what the emulator does wrong because it was asked to.

By a request, for itself alone, with the header ``x-imgmod-emulator-fault: NAME[=VALUE]``; by the command line, for all
requests or some, with ``--fault NAME[=VALUE][@OPERATION][xTIMES]``.

| name                    | what happens                                                                            |
|-------------------------|-----------------------------------------------------------------------------------------|
| processing              | a task that is asked for is still being worked on                                       |
| throttled               | refused by the gateway, with ``x-acs-retry-after`` where milliseconds are given;        |
|                         | "service": refused by the service itself, with 588 or 403 in the body                   |
| not-fetchable           | the picture cannot be downloaded; the value is a kind of ``FetchError``, or "failed"    |
| no-permission           | the account has not activated the service, or may not use it                            |
| 5xx                     | an error of the server: 503, or the status that is given                                |
| slow                    | the answer comes after 5 seconds, or as many as are given                               |
| reset                   | the connection is broken off                                                            |
| garbage                 | "html", "half" (of the JSON), "empty" or "binary", with status 200                      |
| callback-late           | the callback comes 5 seconds later, or as many as are given                             |
| callback-twice          | the callback comes twice                                                                |
| callback-never          | the callback does not come                                                              |
| callback-wrong-checksum | the callback comes with a checksum that is not its own                                  |
| callback-swapped        | the callback comes after the one that is sent next                                      |
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, get_args

from .fetching import FetchFailure

HEADER: Final = "x-imgmod-emulator-fault"

# By what the documentation calls them. The last one is the upload to the bucket.
_RESULTS: Final = frozenset({"ImageAsyncScanResults", "DescribeImageModerationResult"})
_SUBMISSIONS: Final = frozenset({"ImageAsyncScan", "ImageAsyncModeration"})
_SCANS: Final = _SUBMISSIONS | {"ImageSyncScan", "ImageModeration", "ImageBatchModeration"}
OPERATIONS: Final = (
    _SCANS
    | _RESULTS
    | {"ImageScanFeedback", "UploadCredentials", "DescribeUploadToken", "DescribeImageResultExt", "PutObject"}
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Kind:
    """What a fault of one name may say."""

    operations: frozenset[str] = OPERATIONS
    """Where it makes sense; elsewhere it does not strike."""

    default: str = ""
    """Of the value; empty where there need not be one."""

    words: tuple[str, ...] = ()
    numbers: range | None = None
    """The values that are allowed: these words, and numbers from the first to the last of these."""

    has_fractions: bool = False
    """Whether numbers between these are allowed too."""

    def accepts(self, value: str) -> bool:
        return value in self.words or (self.numbers is not None and self._has_number(value, self.numbers))

    def _has_number(self, value: str, numbers: range) -> bool:
        try:
            number = float(value)
        except ValueError:
            return False
        return numbers[0] <= number <= numbers[-1] and (self.has_fractions or value.isdigit())

    def __str__(self) -> str:
        allowed = [*self.words]
        if self.numbers is not None:
            allowed.append(f"a number from {self.numbers[0]} to {self.numbers[-1]}")
        return " or ".join(allowed) or "nothing"


_SECONDS: Final = range(3601)
_KINDS: Final[Mapping[str, _Kind]] = {
    "processing": _Kind(operations=_RESULTS),
    "throttled": _Kind(default="gateway", words=("gateway", "service"), numbers=range(1, 3_600_001)),
    "not-fetchable": _Kind(operations=_SCANS, default="failed", words=get_args(FetchFailure)),
    "no-permission": _Kind(operations=OPERATIONS - {"PutObject"}),
    "5xx": _Kind(default="503", numbers=range(500, 600)),
    "slow": _Kind(default="5", numbers=_SECONDS, has_fractions=True),
    "reset": _Kind(),
    "garbage": _Kind(default="html", words=("html", "half", "empty", "binary")),
    "callback-late": _Kind(operations=_SUBMISSIONS, default="5", numbers=_SECONDS, has_fractions=True),
    "callback-twice": _Kind(operations=_SUBMISSIONS),
    "callback-never": _Kind(operations=_SUBMISSIONS),
    "callback-wrong-checksum": _Kind(operations=_SUBMISSIONS),
    "callback-swapped": _Kind(operations=_SUBMISSIONS),
}
NAMES: Final = tuple(_KINDS)

_FAULT: Final = re.compile(
    r"(?P<name>[a-z0-9-]+?)(=(?P<value>[a-z0-9._]+?))?(@(?P<operation>[A-Za-z]+?))?(x(?P<times>[1-9]\d{0,5}))?",
    re.ASCII,
)


class FaultError(ValueError):
    """What was asked for is no fault; says what would be."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One way to misbehave."""

    name: str

    value: str = ""
    """As it was given, or the default; of a number, use ``number``."""

    operation: str = ""
    """Only there; empty for wherever it makes sense."""

    times: int | None = None
    """None: for ever."""

    def __post_init__(self) -> None:
        kind = _KINDS.get(self.name)
        if kind is None:
            raise FaultError(f'There is no fault "{self.name}". There are: {", ".join(NAMES)}.')
        if self.value and not kind.accepts(self.value):
            raise FaultError(f'The fault "{self.name}" takes {kind}, not {self.value!r}.')
        if self.operation and self.operation not in kind.operations:
            places = ", ".join(sorted(kind.operations))
            raise FaultError(f'The fault "{self.name}" does not strike {self.operation!r}, but: {places}.')
        if not self.value:
            object.__setattr__(self, "value", kind.default)

    @property
    def number(self) -> float | None:
        """The value as a number: seconds, milliseconds or a status; None where it is a word."""
        try:
            return float(self.value)
        except ValueError:
            return None

    @property
    def is_of_callback(self) -> bool:
        """Whether it strikes the callback, and leaves the answer alone."""
        return self.name.startswith("callback-")

    def strikes(self, operation: str) -> bool:
        """Return whether it makes sense, and is meant, for an operation."""
        return operation == self.operation if self.operation else operation in _KINDS[self.name].operations


def parse_fault(text: str) -> Fault:
    """Return the fault of ``NAME[=VALUE][@OPERATION][xTIMES]``. Raises ``FaultError``."""
    match = _FAULT.fullmatch(text.strip())
    if match is None:
        raise FaultError(
            f"{text!r} is no fault. Write NAME[=VALUE][@OPERATION][xTIMES], such as slow=2@ImageSyncScanx3."
        )
    return Fault(
        name=match["name"],
        value=match["value"] or "",
        operation=match["operation"] or "",
        times=int(match["times"]) if match["times"] else None,
    )


@dataclass(slots=True)
class _Rule:
    fault: Fault
    left: float = field(default=math.inf)


class Faults:
    """
    What to do wrong. Usable from any thread.

    What strikes the answer and what strikes the callback are asked for apart, so that a request may have one of each.
    ``header`` is the value of ``HEADER``, empty where there is none: it goes before the rules, and uses none up. Both
    questions raise ``FaultError`` where it is no fault.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lock = threading.Lock()
        self._rules: list[_Rule] = []
        for fault in faults:
            self.add(fault)

    def add(self, fault: Fault) -> None:
        """Do this wrong from now on, as often as it says. What was added first is done first."""
        with self._lock:
            self._rules.append(_Rule(fault, math.inf if fault.times is None else fault.times))

    def clear(self) -> None:
        """Do everything right from now on."""
        with self._lock:
            self._rules.clear()

    def next(self, operation: str, header: str = "") -> Fault | None:
        """Return what to do wrong with the answer to a request, or None."""
        return self._next(operation, header, is_of_callback=False)

    def next_callback(self, operation: str, header: str = "") -> Fault | None:
        """Return what to do wrong with the callback that a request asks for, or None."""
        return self._next(operation, header, is_of_callback=True)

    def _next(self, operation: str, header: str, *, is_of_callback: bool) -> Fault | None:
        if header and (fault := parse_fault(header)).is_of_callback == is_of_callback and fault.strikes(operation):
            return fault
        with self._lock:
            for rule in self._rules:
                if rule.left > 0 and rule.fault.is_of_callback == is_of_callback and rule.fault.strikes(operation):
                    rule.left -= 1
                    return rule.fault
        return None
