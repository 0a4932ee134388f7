"""The site of one test, served to a browser."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer
from django.test.testcases import LiveServerThread

HOST = "127.0.0.1"


class _Server(ThreadedWSGIServer):
    """Is closed when every request is answered: none may outlive the test's database."""

    daemon_threads = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lines: WeakSet[socket.socket] = WeakSet()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._lines.add(request)
        super().process_request(request, client_address)

    def server_close(self) -> None:
        # A browser keeps its lines for further requests, which would be waited for.
        for line in self._lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RD)
        super().server_close()


class _SiteThread(LiveServerThread):
    server_class = _Server


@contextmanager
def served() -> Iterator[str]:
    """Serve pages and static files with the settings of now, each request on connections of its own; give the URL."""
    thread = _SiteThread(HOST, StaticFilesHandler)
    thread.start()
    thread.is_ready.wait()
    if thread.error:
        raise thread.error
    try:
        yield f"http://{HOST}:{thread.port}"
    finally:
        thread.terminate()
