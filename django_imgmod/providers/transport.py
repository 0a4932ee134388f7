"""
How a request travels: requests, with one deadline for a whole exchange and no query in a log.

The timeouts of requests are for one wait each, so that whoever sends a byte now and then holds a worker for ever. Here
every wait is cut to what is left of the exchange.
"""

from __future__ import annotations

import http.client
import io
import logging
import math
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection

from django_imgmod import __version__

_ends_at: Final[ContextVar[float]] = ContextVar("django_imgmod_exchange_ends_at")


@contextmanager
def exchange(ends_at: float) -> Iterator[None]:
    """Let a session of ``new_session()`` send and receive until then on the monotonic clock; ``TimeoutError`` after."""
    token = _ends_at.set(ends_at)
    try:
        yield
    finally:
        _ends_at.reset(token)


def new_session() -> requests.Session:
    """Return a session that keeps its connections alive and follows no redirection. It works in an ``exchange``."""
    session = _Session()
    session.auth = _as_it_is
    session.headers.update(
        {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"django-imgmod/{__version__}",
        }
    )
    for scheme in ("https://", "http://"):
        session.mount(scheme, _Adapter())
    return session


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stand in for credentials, so that requests looks for none in a ``.netrc`` and leaves a signature alone."""
    return request


class _Session(requests.Session):
    def get_redirect_target(self, resp: requests.Response) -> None:
        """Say that there is none: requests reads the whole body of a redirection even where it does not follow it."""


def _time_left() -> float:
    seconds = _ends_at.get() - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


class _Reader(io.RawIOBase):
    """The bytes that a socket receives until the exchange has to end."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket) -> None:
        super().__init__()
        self.raw = raw
        self.sock = sock
        self.timeout = sock.gettimeout() or math.inf

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self.sock.settimeout(min(self.timeout, _time_left()))
        return self.raw.readinto(buffer)

    def close(self) -> None:
        self.raw.close()
        super().close()


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp = io.BufferedReader(_Reader(self.fp.detach(), sock))


if TYPE_CHECKING:
    _Connection = HTTPConnection
else:
    _Connection = object


class _TimedConnection(_Connection):
    response_class = _Response

    def send(self, data: Any) -> None:
        # urllib3 would give a whole picture no longer than a connection may take.
        if self.sock is not None:
            self.sock.settimeout(_time_left())
        super().send(data)


@cache
def _timed(connection_class: type) -> type:
    return type(f"Timed{connection_class.__name__}", (_TimedConnection, connection_class), {})


class _Adapter(HTTPAdapter):
    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        # Whatever its class is: a proxy has one of its own.
        pool: Any = super().get_connection_with_tls_context(*args, **kwargs)
        if not issubclass(pool.ConnectionCls, _TimedConnection):
            pool.ConnectionCls = _timed(pool.ConnectionCls)
        return pool


def _without_query(record: logging.LogRecord) -> bool:
    """Cut the query from what urllib3 logs, at several levels, of our own exchanges."""
    if _ends_at.get(None) is not None and isinstance(record.args, tuple):
        record.args = tuple(arg.partition("?")[0] if isinstance(arg, str) else arg for arg in record.args)
    return True


for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).addFilter(_without_query)
