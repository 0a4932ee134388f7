"""
How a request travels: made by requests, over connections with one deadline for a whole exchange and no query in a log.

The timeouts of requests are for one wait each, so that whoever sends a byte now and then holds a worker for ever. Here
every wait is cut to what is left of the exchange. Its sessions look into the environment and merge their own settings
for every request, which costs as much again; here that is done once for each host.
"""

from __future__ import annotations

import http.client
import io
import logging
import math
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

import requests
from requests.adapters import DEFAULT_POOLSIZE
from requests.utils import check_header_validity, urldefragauth
from urllib3.connection import HTTPConnection
from urllib3.util import Timeout

from django_imgmod import __version__

_ends_at: Final[ContextVar[float]] = ContextVar("django_imgmod_exchange_ends_at")
# What is to be called once, as late as may be before the first byte leaves.
_before: Final[ContextVar[Callable[[], None] | None]] = ContextVar("django_imgmod_exchange_before", default=None)


_HEADERS: Final[Mapping[str, str]] = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"django-imgmod/{__version__}",
}
# A URL that can be sent as it is.
_READY_URL: Final = re.compile(
    r"https?://[a-z0-9.-]+(?::[0-9]+)?/[A-Za-z0-9/_~-]*(?:\?(?:[A-Za-z0-9/_.~&=-]|%[0-9A-F]{2})*)?"
)


@contextmanager
def exchange(ends_at: float, *, before: Callable[[], None] | None = None) -> Iterator[None]:
    """
    Let a ``Session`` send and receive until then on the monotonic clock; ``TimeoutError`` after.

    ``before`` is called once, when the connection is there and nothing has been sent.
    """
    token, token_before = _ends_at.set(ends_at), _before.set(before)
    try:
        yield
    finally:
        _before.reset(token_before)
        _ends_at.reset(token)


class Session:
    """
    Connections that are kept alive. It repeats nothing, follows no redirection and keeps no cookie.

    Proxies and certificates are what the environment says when a host is asked for the first time.
    """

    def __init__(self) -> None:
        self._session = requests.Session()
        self._routes: dict[tuple[str, str], _Route] = {}

    @contextmanager
    def ask(self, method: str, url: str, timeout: Timeout, parts: Mapping[str, Any]) -> Iterator[Any]:
        """
        Send a request, its parts as requests takes them, and yield urllib3's response, whose body is still to be read.

        Called in an ``exchange``. Raises the errors of urllib3, and those of requests for what is no request.
        """
        ready = _prepared(method, url, parts)
        route = self._route(ready.url)
        response: Any = route.pool.urlopen(
            method.upper(),
            route.target_of(ready.url),
            body=ready.body,
            headers=ready.headers,
            timeout=timeout,
            chunked=ready.is_chunked,
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
        )
        try:
            yield response
        finally:
            # What was not read must not be the beginning of the next answer.
            response.close()
            response.release_conn()

    def _route(self, url: str) -> _Route:
        origin = urlsplit(url)[:2]
        route = self._routes.get(origin)
        if route is None:
            if len(self._routes) >= DEFAULT_POOLSIZE:
                # As many hosts as requests itself keeps in mind.
                self._routes.clear()
            route = self._routes[origin] = self._new_route(url)
        return route

    def _new_route(self, url: str) -> _Route:
        adapter: Any = self._session.get_adapter(url)
        settings = self._session.merge_environment_settings(url, {}, True, None, None)
        proxies, verify, cert = settings["proxies"], settings["verify"], settings["cert"]
        request = requests.Request("GET", url).prepare()
        pool = adapter.get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
        adapter.cert_verify(pool, url, verify, cert)
        # Whatever its class is: a proxy has one of its own.
        if not issubclass(pool.ConnectionCls, _TimedConnection):
            pool.ConnectionCls = _timed(pool.ConnectionCls)
        return _Route(pool, adapter.request_url(request, proxies) != request.path_url)


class _Route(NamedTuple):
    """How a host is reached."""

    pool: Any
    wants_whole_url: bool
    """Of a proxy."""

    def target_of(self, url: str) -> str:
        """Return what stands in the first line of a request."""
        if self.wants_whole_url:
            return str(urldefragauth(url))
        _, _, path, query, _ = urlsplit(url)
        return f"{path or '/'}?{query}" if query else path or "/"


class _Ready(NamedTuple):
    """A request as it is sent."""

    url: str
    headers: dict[str, Any]
    body: Any
    is_chunked: bool = False


def _prepared(method: str, url: str, parts: Mapping[str, Any]) -> _Ready:
    """Return what requests makes of a request; by a short cut where that is bytes for a plain URL."""
    given: Mapping[str, str] = parts.get("headers") or {}
    names = {name.lower() for name in given}
    headers = {**{name: value for name, value in _HEADERS.items() if name.lower() not in names}, **given}
    body = parts.get("data")
    is_plain = isinstance(body, bytes) and _READY_URL.fullmatch(url)
    if is_plain and all(parts.get(name) is None for name in ("params", "json", "files")):
        for header in headers.items():
            check_header_validity(header)
        return _Ready(url, headers, body)
    request = _Request()
    request.prepare(method, url, **{**parts, "headers": headers}, auth=_as_it_is)
    is_chunked = request.body is not None and "Content-Length" not in request.headers
    return _Ready(request.url or "", dict(request.headers), request.body, is_chunked)


class _Request(requests.PreparedRequest):
    def prepare_cookies(self, cookies: object) -> None:
        """Have none."""


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Stand in for credentials, so that requests takes none from the URL and leaves a signature alone."""
    return request


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
        if self.sock is None:
            self.connect()
        if (before := _before.get()) is not None:
            _before.set(None)
            before()
        # urllib3 would give a whole picture no longer than a connection may take.
        self.sock.settimeout(_time_left())
        super().send(data)


@cache
def _timed(connection_class: type) -> type:
    return type(f"Timed{connection_class.__name__}", (_TimedConnection, connection_class), {})


def _without_query(record: logging.LogRecord) -> bool:
    """Cut the query from what urllib3 logs, at several levels, of our own exchanges."""
    if _ends_at.get(None) is not None and isinstance(record.args, tuple):
        record.args = tuple(arg.partition("?")[0] if isinstance(arg, str) else arg for arg in record.args)
    return True


for _name in ("urllib3.connection", "urllib3.connectionpool"):
    logging.getLogger(_name).addFilter(_without_query)
