"""What both generations have behind their words: pictures, the judge, the buckets, callbacks and faults."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

from ..exceptions import ProviderRefused
from ..providers.alibaba.limits import Limits
from .faults import HEADER, Fault, Faults
from .fetching import FetchFailure
from .fields import CallbackWish
from .judging import Judge, Judgement
from .objects import Objects
from .oss import Place
from .pictures import PictureError, Pictures, picture_error_of, split_frames
from .schemes import Scheme
from .sender import CallbackSender
from .wire import Answer, Request


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """An authentic request for an operation, and what is to go wrong with it."""

    operation: str
    request: Request
    fault: Fault | None = None

    def has(self, name: str, value: str = "") -> bool:
        """Return whether this fault is asked for, and with this value where one is given."""
        return self.fault is not None and self.fault.name == name and value in ("", self.fault.value)


class Generation(Protocol):
    """One of the two interfaces."""

    def route(self, request: Request) -> tuple[str, Scheme]:
        """Return the operation, and how the request has to be signed. Raises ``Refusal``: checks 1 and 2."""

    def answer(self, call: Call) -> Answer:
        """Read the parameters, do what they ask for and answer: check 11, and all that comes after it."""

    def close(self) -> None:
        """Work on nothing more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Backstage:
    """Usable from any thread."""

    judge: Judge
    pictures: Pictures
    objects: Objects
    sender: CallbackSender
    faults: Faults

    endpoint: str
    """Where the buckets are, ``http://127.0.0.1:8000``; empty for where the request came to."""

    is_code_in_status: bool
    """Whether the status of an answer is the service's code, and not 200 whatever that says."""

    def read(self, source: str | Place, limits: Limits, fault: Fault | None = None, *, referer: str = "") -> bytes:
        """Return the bytes of a picture. Raises ``PictureError``."""
        if fault is not None and fault.name == "not-fetchable":
            raise PictureError(cast("FetchFailure", fault.value), "The picture is not fetched: a fault was asked for.")
        return self.pictures.read(source, limits, referer=referer)

    def look(
        self,
        source: str | Place,
        limits: Limits,
        *,
        interval: int,
        max_frames: int,
        fault: Fault | None = None,
        referer: str = "",
    ) -> list[Judgement]:
        """Return the judgement of each frame. Raises ``PictureError``."""
        content = self.read(source, limits, fault, referer=referer)
        try:
            frames = split_frames(content, limits, interval=interval, max_frames=max_frames)
            return [self.judge.judge(frame) for frame in frames]
        except ProviderRefused as error:
            raise picture_error_of(error) from error

    def callback_fault(self, call: Call, wish: CallbackWish | None) -> Fault | None:
        """Return what is to go wrong with a callback, where there is to be one."""
        if wish is None:
            return None
        return self.faults.next_callback(call.operation, call.request.headers.get(HEADER, ""))

    def endpoint_for(self, request: Request) -> str:
        """Return the address under which a client reaches the buckets."""
        return self.endpoint or f"{request.scheme}://{request.host}"
