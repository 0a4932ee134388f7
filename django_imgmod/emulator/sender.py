"""Callbacks: results that are posted to whoever asked for them, as the provider does it, or worse on demand."""

from __future__ import annotations

import heapq
import itertools
import logging
import math
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from ..providers.alibaba.checksums import checksum
from .faults import Fault
from .fetching import FetchError, post_form

logger = logging.getLogger("django_imgmod")

# Source: "Configure notifications"; other pages speak of 16.
TRIES: Final = 3
PAUSE_SECONDS: Final = 1.0
# So that as a rule the answer to the submission is there first.
DELAY_SECONDS: Final = 0.2


@dataclass(frozen=True, kw_only=True, slots=True)
class _Parcel:
    url: str = field(repr=False)
    fields: dict[str, str] = field(repr=False)
    attempt: int = 1
    is_twofold: bool = False

    @property
    def host(self) -> str:
        """What may be logged of the URL: its path and query may be secret."""
        return urlsplit(self.url).netloc.rpartition("@")[2]


class CallbackSender:
    """
    Posts callbacks from a thread of its own, one after the other, until each is answered with 200: at most 3 times.

    ``delay`` is what passes before a callback is sent, ``pause`` before it is tried again, in seconds.
    ``allowed_hosts`` are as for ``fetch``. Usable from any thread.
    """

    def __init__(
        self,
        uid: str,
        allowed_hosts: Collection[str] = (),
        *,
        delay: float = DELAY_SECONDS,
        pause: float = PAUSE_SECONDS,
    ) -> None:
        self._uid = uid
        self._allowed_hosts = allowed_hosts
        self._delay = delay
        self._pause = pause
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._queue: list[tuple[float, int, _Parcel]] = []
        self._held: list[_Parcel] = []
        self._is_sending = False
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def send(
        self, url: str, content: str, *, seed: str, crypt_type: str, req_id: str = "", fault: Fault | None = None
    ) -> None:
        """
        Post ``content`` as it stands, with its checksum. With ``req_id`` the fields are those of 2.0, else of Green.

        Returns at once. ``fault`` is what ``Faults.next_callback`` said. Raises ``ImgmodConfigurationError`` for a
        type of checksum that cannot be computed.
        """
        name = fault.name if fault else ""
        if name == "callback-never":
            return
        seal = checksum(self._uid, seed, content, crypt_type)
        if name == "callback-wrong-checksum":
            seal = ("1" if seal[0] == "0" else "0") + seal[1:]
        fields = {"checksum": seal, "content": content}
        if req_id:
            fields = {"ReqId": req_id, "Checksum": seal, "Content": content}
        parcel = _Parcel(url=url, fields=fields, is_twofold=name == "callback-twice")
        with self._changed:
            if name == "callback-swapped":
                self._held.append(parcel)
            else:
                late = fault.number if fault and name == "callback-late" else None
                self._put(parcel, self._delay + (late or 0))

    def wait(self, timeout: float) -> bool:
        """Wait until there is nothing left to send, and return whether that came about within ``timeout`` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._queue and not self._is_sending, timeout)

    def close(self) -> None:
        """Send nothing more."""
        with self._changed:
            self._is_closed = True
            self._queue.clear()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout=1)

    def _put(self, parcel: _Parcel, delay: float) -> None:
        if self._is_closed:
            return
        heapq.heappush(self._queue, (time.monotonic() + delay, next(self._numbers), parcel))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="imgmod-emulator-callbacks", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        while (parcel := self._next()) is not None:
            is_delivered = self._deliver(parcel)
            with self._changed:
                self._is_sending = False
                if not is_delivered and parcel.attempt < TRIES:
                    self._put(replace(parcel, attempt=parcel.attempt + 1), self._pause)
                elif parcel.is_twofold:
                    self._put(replace(parcel, attempt=1, is_twofold=False), 0)
                for held in self._held:
                    # Before everything that is waiting.
                    self._put(held, -math.inf)
                self._held.clear()
                self._changed.notify_all()

    def _next(self) -> _Parcel | None:
        """Wait for what is to be sent next; None once all is over."""
        with self._changed:
            while not self._is_closed:
                if self._queue and (left := self._queue[0][0] - time.monotonic()) <= 0:
                    self._is_sending = True
                    return heapq.heappop(self._queue)[2]
                self._changed.wait(left if self._queue else None)
        return None

    def _deliver(self, parcel: _Parcel) -> bool:
        try:
            status = post_form(parcel.url, parcel.fields, self._allowed_hosts)
        except FetchError as error:
            logger.warning("emulator=callback_failed attempt=%s error=%s", parcel.attempt, error)
            return False
        except Exception:
            logger.exception("emulator=callback_failed attempt=%s", parcel.attempt)
            return False
        is_delivered = status == HTTPStatus.OK
        level = logging.INFO if is_delivered else logging.WARNING
        logger.log(level, "emulator=callback host=%s attempt=%s status=%s", parcel.host, parcel.attempt, status)
        return is_delivered
