"""Waking by messages. What carries them may be away: that costs wake-ups, and never a save."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from abc import abstractmethod
from typing import ClassVar, Final

from . import BaseDispatcher

logger = logging.getLogger("django_imgmod")

# Seconds. Within them the sweep finds what was not told.
PAUSE: Final = 30.0


class Outage:
    """What a process knows of whether messages go through. Safe to be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_on = False
        self._pause_ends = 0.0
        self._unsent_count = 0

    def allows_attempt(self) -> bool:
        """Return whether to try to send; during an outage one caller in ``PAUSE`` seconds finds out if it is over."""
        with self._lock:
            if not self._is_on:
                return True
            now = time.monotonic()
            if now < self._pause_ends:
                self._unsent_count += 1
                return False
            # The others need not wait for what this one finds.
            self._pause_ends = now + PAUSE
            return True

    def begin(self) -> bool:
        """Note a failure; return whether it is the first of an outage."""
        with self._lock:
            is_first = not self._is_on
            self._is_on = True
            self._unsent_count += 1
            self._pause_ends = time.monotonic() + PAUSE
            return is_first

    def end(self) -> int:
        """Note a success; return how many messages the outage that is over has cost."""
        with self._lock:
            unsent_count, self._unsent_count = self._unsent_count, 0
            self._is_on = False
            return unsent_count


class MessageDispatcher(BaseDispatcher):
    """
    Subclass it to wake by a message of another kind.

    After a failure a process sends nothing for half a minute, so that an outage is felt by one save in a while. The log
    has a line when an outage begins and one when it is over. What is not sent, the sweep finds.
    """

    outage: ClassVar[Outage]

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        cls.outage = Outage()

    @abstractmethod
    def send(self, public_id: uuid.UUID, *, using: str) -> None:
        """
        Send a message that makes another process call ``services.submission.work(public_id, using=using)``.

        Whatever it raises counts as an outage. The save waits for it: let it give up after a second.
        """

    def wake(self, public_id: uuid.UUID, *, using: str) -> None:
        if not self.outage.allows_attempt():
            return
        try:
            self.send(public_id, using=using)
        except Exception as error:  # noqa: BLE001 - the image is saved, and its record is found without us
            if self.outage.begin():
                logger.warning(
                    "wake=suspended record=%s dispatcher=%s error=%s message=%r meanwhile=%r",
                    public_id,
                    type(self).__name__,
                    type(error).__name__,
                    str(error),
                    "nothing is lost: the sweep finds what is due",
                )
        else:
            if unsent_count := self.outage.end():
                logger.warning("wake=resumed dispatcher=%s unsent=%d", type(self).__name__, unsent_count)
