"""What a broker can look like from outside."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Listener:
    """
    Accepts connections on a free port of this machine.

    It never says a word, relays what is said to ``target``, or hangs up at once.
    """

    def __init__(self, target: tuple[str, int] | None = None, *, is_hanging_up: bool = False) -> None:
        self.connection_count = 0
        self._is_hanging_up = is_hanging_up
        self._target = target
        self._open: list[socket.socket] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()

    def drop_all(self) -> None:
        """Cut every connection that there is."""
        while self._open:
            end = self._open.pop()
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def close(self) -> None:
        # Closing alone does not wake a thread that waits in accept().
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()
        self.drop_all()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            self.connection_count += 1
            self._open.append(client)
            if self._is_hanging_up:
                self.drop_all()
            elif self._target:
                broker = socket.create_connection(self._target)
                self._open.append(broker)
                for ends in ((client, broker), (broker, client)):
                    threading.Thread(target=self._relay, args=ends, daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)


@contextmanager
def listening(target: tuple[str, int] | None = None, *, is_hanging_up: bool = False) -> Iterator[Listener]:
    listener = Listener(target, is_hanging_up=is_hanging_up)
    try:
        yield listener
    finally:
        listener.close()


def closed_port() -> int:
    """Return a port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port
