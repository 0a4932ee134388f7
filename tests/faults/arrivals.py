"""When bytes arrived at this machine, whenever a process came to read them."""

from __future__ import annotations

import io
import socket
import struct
import sys
import time
from contextlib import suppress
from typing import Any, Final

# From asm-generic/socket.h: two integers of 64 bits, seconds and nanoseconds.
_SO_TIMESTAMPNS: Final = 64
_TIMESPEC: Final = struct.Struct("=qq")


class TimedReader(io.RawIOBase):
    """
    What a socket receives. ``arrived_at`` is when the last of it did, by the monotonic clock.

    On Linux the system notes that. Elsewhere it is the time of reading: on a busy machine, in a process that has other
    threads and collects garbage, some milliseconds later, and now and then fifty.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.arrived_at = time.monotonic()
        self._connection = connection
        if sys.platform == "linux":
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count, ancillary, *_ = self._connection.recvmsg_into([buffer], socket.CMSG_SPACE(_TIMESPEC.size))
        self.arrived_at, now = time.monotonic(), time.time()
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS):
                seconds, nanoseconds = _TIMESPEC.unpack(data)
                self.arrived_at -= now - (seconds + nanoseconds / 1e9)
        return count
