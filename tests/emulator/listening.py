"""Servers on this machine that the emulator asks: one that answers as it is told, one that speaks no proper HTTP."""

from __future__ import annotations

import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple
from urllib.parse import parse_qsl

LIMIT = 10


class Arrival(NamedTuple):
    """A request that arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), strict_parsing=True, keep_blank_values=True))


class Listener:
    """What a server was asked, and what it answers: status, headers and body, the first ones first, then 200."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[tuple[int, dict[str, str], bytes]] = []
        self._arrivals: queue.Queue[Arrival] = queue.Queue()

    def next(self) -> Arrival:
        """Wait for the next request."""
        return self._arrivals.get(timeout=LIMIT)

    @property
    def is_quiet(self) -> bool:
        return self._arrivals.empty()

    def answer(self, status: int = 200, body: bytes = b"", **headers: str) -> None:
        self.answers.append((status, headers, body))

    def take(self, arrival: Arrival) -> tuple[int, dict[str, str], bytes]:
        answer = self.answers.pop(0) if self.answers else (200, {}, b"")
        self._arrivals.put(arrival)
        return answer


@contextmanager
def listening() -> Iterator[Listener]:
    """Serve on a free port."""
    listener = Listener()

    class Handler(BaseHTTPRequestHandler):
        def run(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            arrival = Arrival(self.command, self.path, {key.lower(): each for key, each in self.headers.items()}, body)
            status, headers, content = listener.take(arrival)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(content)

        do_GET = do_POST = run  # noqa: N815 - named by the base class

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        listener.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def blurting(*portions: bytes, is_hanging: bool = False) -> Iterator[str]:
    """Answer every connection with these bytes; then close it, or keep on sending a byte now and then."""
    over = threading.Event()

    def blurt(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            connection.recv(65536)
            for portion in portions:
                connection.sendall(portion)
            while is_hanging and not over.wait(0.02):
                connection.sendall(b" ")

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=blurt, args=(connection,)).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
