"""How the fault server misbehaves: which request is struck, and what then happens on its connection."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .server import Handler

# Closing a socket that lingers for no time is a reset.
LINGER_NOT = struct.pack("ii", 1, 0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b"{}"

    def encoded(self) -> tuple[bytes, bytes]:
        """Return head and body as they go over the wire."""
        headers = {"Content-Type": "application/json", "Content-Length": str(len(self.body)), **self.headers}
        lines = [f"HTTP/1.1 {self.status} -", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode(), self.body


@dataclass(kw_only=True, slots=True)
class Rule:
    """One behaviour and the requests that it strikes: all, unless a field says otherwise."""

    name: str

    count: int | None = None
    """So many, then no more."""
    lasting: float | None = None
    """For so many seconds from now on."""
    probability: float = 1.0
    """Each with this probability; ``seed`` makes the same draw again."""
    seed: int | None = None
    per_second: int | None = None
    """Only what comes after so many in any second that slides by: a rate limit."""

    seconds: float = 30.0
    """How long a stall lasts, and how long the pause between two bytes that drip."""
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    """What ``answer`` and the other readymade ones answer instead of their own."""

    made_at: float = field(default_factory=time.monotonic, init=False)
    draws: random.Random = field(init=False)

    def __post_init__(self) -> None:
        if self.name not in (known := [*BEHAVIOURS, *OTHER_NAMES]):
            raise ValueError(f"There is no behaviour {self.name!r}. There are: {', '.join(known)}.")
        if self.seed is None:
            self.seed = random.randrange(10**6)  # noqa: S311 - no secret
        self.draws = random.Random(self.seed)  # noqa: S311 - no secret

    def strikes(self, now: float, arrivals_in_last_second: int) -> bool:
        """Say whether a request that arrives now is struck, and count it."""
        if self.count == 0 or (self.lasting is not None and now - self.made_at > self.lasting):
            return False
        if self.per_second is not None and arrivals_in_last_second <= self.per_second:
            return False
        if self.probability < 1 and self.draws.random() >= self.probability:
            return False
        if self.count is not None:
            self.count -= 1
        return True


def _ok(handler: Handler, rule: Rule) -> None:
    handler.write(*handler.process().encoded())


def _reset(handler: Handler, rule: Rule) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    handler.hang_up()


def _reset_after(handler: Handler, rule: Rule) -> None:
    handler.process()
    _reset(handler, rule)


def _half(handler: Handler, rule: Rule) -> None:
    head, body = handler.process().encoded()
    handler.write(head, body[: len(body) // 2])
    handler.hang_up()


def _stall(handler: Handler, rule: Rule) -> None:
    reply = handler.process()
    handler.wait(rule.seconds)
    handler.write(*reply.encoded())


def _drip(handler: Handler, rule: Rule) -> None:
    head, body = handler.process().encoded()
    handler.write(head)
    handler.drip(body, rule.seconds)


def _drip_all(handler: Handler, rule: Rule) -> None:
    handler.drip(b"".join(handler.process().encoded()), rule.seconds)


def _readymade(readymade: Reply, handler: Handler, rule: Rule) -> None:
    reply = Reply(
        status=rule.status or readymade.status,
        headers={**readymade.headers, **rule.headers},
        body=readymade.body if rule.body is None else rule.body.encode(),
    )
    handler.write(*reply.encoded())


# All but the readymade answers and ``reset_before`` have done what was asked before they misbehave.
BEHAVIOURS: Mapping[str, Callable[[Handler, Rule], None]] = {
    "ok": _ok,
    "reset_before": _reset,
    "reset_after": _reset_after,
    "half": _half,
    "stall": _stall,
    "drip": _drip,
    "drip_all": _drip_all,
    "answer": partial(_readymade, Reply()),
    "garbage": partial(_readymade, Reply(headers={"Content-Type": "text/html"}, body=b"<h1>It works!</h1>")),
    "error": partial(_readymade, Reply(status=500, body=b'{"error": "internal"}')),
    "unavailable": partial(_readymade, Reply(status=503, body=b'{"error": "unavailable"}')),
    "throttle": partial(_readymade, Reply(status=429, body=b'{"error": "throttled"}')),
    "gone": partial(_readymade, Reply(status=404, body=b'{"error": "gone"}')),
    "pending": partial(_readymade, Reply(body=b'{"verdict": null}')),
}
# ``latency`` comes on top of whatever else a request gets; ``refuse`` closes the port to all.
OTHER_NAMES = ("latency", "refuse")
