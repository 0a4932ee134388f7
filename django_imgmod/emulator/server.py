"""
A small server for the emulator: threads, connections that are kept, every answer with its length.

An application that raises ``ConnectionResetError`` has its client's connection reset. ``environ["imgmod.stopped"]`` is
an event that is set once the server goes down, for whoever waits.
"""

from __future__ import annotations

import io
import socket
import socketserver
import struct
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

IDLE_SECONDS: Final = 60.0
# Closing a socket that lingers for no time is a reset.
LINGER_NOT: Final = struct.pack("ii", 1, 0)


@contextmanager
def serve(app: Application, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """
    Serve a WSGI application in threads of this process and give its address, ``127.0.0.1:8000``.

    Port 0 takes a free one. On leaving, connections are broken off and all threads have ended. Raises ``OSError`` where
    the address cannot be had.
    """
    server = _Server(app, host, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="imgmod-emulator")
    thread.daemon = True
    thread.start()
    try:
        yield server.address
    finally:
        server.stop()
        thread.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    # Threads are joined when it is closed.
    daemon_threads = False
    request_queue_size = 256

    def __init__(self, app: Application, host: str, port: int) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), _Handler)
        self.app = app
        self.stopped = threading.Event()
        self.connections: set[Any] = set()

    @property
    def address(self) -> str:
        host, port = self.server_address[:2]
        return f"[{host!s}]:{port}" if self.address_family == socket.AF_INET6 else f"{host!s}:{port}"

    def stop(self) -> None:
        self.stopped.set()
        self.shutdown()
        for connection in tuple(self.connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # That a client has gone away is its own affair.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Body(io.RawIOBase):
    """The body of one request: it ends where its length says, so that the next request is left alone."""

    def __init__(self, stream: io.BufferedIOBase, length: int) -> None:
        super().__init__()
        self._stream = stream
        self.remaining = length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer)[: self.remaining]
        count = self._stream.readinto(view) if len(view) else 0
        self.remaining -= count
        return count


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # A connection that is kept and not used.
    timeout = IDLE_SECONDS
    server: _Server

    def run(self) -> None:
        """Let the application answer one request."""
        lengths = self.headers.get_all("Content-Length", ["0"])
        if "Transfer-Encoding" in self.headers or len(lengths) > 1 or not _is_number(lengths[0]):
            self._hang_up_with(HTTPStatus.LENGTH_REQUIRED)
            return
        body = _Body(self.rfile, int(lengths[0]))
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            head[:] = [status, headers]

        try:
            content = b"".join(self.server.app(self._environ(body), start_response))
        except ConnectionResetError:
            self._reset()
            return
        status, headers = head
        # What of the body was not read would be taken for the next request.
        self.close_connection = self.close_connection or body.remaining > 0
        self._write(status, headers, content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = run  # noqa: N815 - named by the base class

    def _environ(self, body: _Body) -> dict[str, Any]:
        target = self.path
        if "://" in target.partition("?")[0]:
            parts = urlsplit(target)
            target = f"{parts.path or '/'}?{parts.query}"
        path, _, query = target.partition("?")
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": str(self.server.server_address[0]),
            "SERVER_PORT": str(self.server.server_address[1]),
            "SERVER_PROTOCOL": self.request_version,
            "REMOTE_ADDR": self.client_address[0],
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BufferedReader(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "imgmod.stopped": self.server.stopped,
        }
        for name, value in self.headers.items():
            # One with an underscore would pass for another header.
            if "_" not in name:
                key = name.upper().replace("-", "_")
                key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
                environ[key] = f"{environ[key]},{value.strip()}" if key in environ else value.strip()
        return environ

    def _write(self, status: str, headers: list[tuple[str, str]], content: bytes) -> None:
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
        if not any(name.lower() == "content-length" for name, _ in headers):
            lines.append(f"Content-Length: {len(content)}")
        lines.append(f"Connection: {'close' if self.close_connection else 'keep-alive'}")
        shown = b"" if self.command == "HEAD" else content
        self.connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1") + shown)

    def _hang_up_with(self, status: HTTPStatus) -> None:
        self.close_connection = True
        self._write(f"{status.value} {status.phrase}", [("Content-Type", "text/plain")], status.description.encode())

    def _reset(self) -> None:
        self.close_connection = True
        # It holds on to the connection.
        self.rfile.close()
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - named by the base class
        """Stay silent: request lines hold signatures."""


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
