"""
A provider's server for tests, on this machine, that misbehaves when it is told to.

In a test: ``with FaultServer() as server``. As a process of its own: ``python -m tests.faults.server --port 8123``.

| request                   | answer                                                                       |
|---------------------------|------------------------------------------------------------------------------|
| ``POST /submit``          | ``{"data_id", "reference", "verdict"}``; the verdict is null with mode "async" |
| ``GET /result/REFERENCE`` | the same; 404 for a reference that was never given                           |
| ``POST /feedback``        | ``{"accepted": true}``; whatever JSON object it was is kept                  |
| ``GET /echo``             | what the server was sent                                                     |
| ``GET /log?after=N``      | ``{"entries", "violations"}``: all requests to the paths above, from the Nth |
| ``GET /counts?path=NAME`` | ``{"data_id": {...}, "sha256": {...}}``: how often each was asked about       |
| ``POST /behave``          | the keywords of ``FaultServer.behave``; answers ``{"seed"}``                  |
| ``POST /verdicts``        | ``{sha256: risk level}``: other verdicts than those of ``level_of``           |

A submission says ``data_id``, ``sha256`` and ``mode`` in a JSON object, or in the headers ``Data-Id``, ``Sha256`` and
``Mode``: then its body is the picture, which must be what was announced, or nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import socket
import socketserver
import sys
import threading
import time
import uuid
from collections import Counter, defaultdict, deque
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple, Self
from urllib.parse import parse_qsl, urlsplit

from .arrivals import TimedReader
from .behaviours import BEHAVIOURS, Reply, Rule

HOST = "127.0.0.1"
LEVELS = {"0": "high", "1": "medium", "2": "low"}
OK = Rule(name="ok")


def level_of(sha256: str) -> str:
    """Return the risk level that bytes have unless a test says otherwise: their digest's first digit decides."""
    return LEVELS.get(sha256[:1], "none")


class Entry(NamedTuple):
    """A request that arrived."""

    at: float
    """When it arrived, whenever it was read, on the monotonic clock, which all processes of this machine share."""
    path: str
    """The first part alone: ``submit``, ``result``, ``feedback``, ``echo``."""
    data_id: str
    sha256: str
    connection: int
    """The client's port: the same as long as a connection is kept."""
    behaviour: str


class FaultServer:
    """The server, what it knows, and how it is told to behave; usable from any thread."""

    def __init__(self, port: int = 0) -> None:
        self._lock = threading.Lock()
        self._port_lock = threading.RLock()
        self._listener = Listener(self, port)
        self.port: int = self._listener.server_address[1]
        self.stopped = threading.Event()
        self.stopped.set()
        self._timer: threading.Timer | None = None
        self.forget()

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def __enter__(self) -> Self:
        self.listen()
        return self

    def __exit__(self, *args: object) -> None:
        self.refuse()
        self._listener.server_close()

    def forget(self) -> None:
        """Know nothing any more, and behave."""
        with self._lock:
            self._rules: defaultdict[str, list[Rule]] = defaultdict(list)
            self._arrivals: defaultdict[str, deque[float]] = defaultdict(deque)
            self._counts: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
            self._submissions: dict[str, tuple[str, str]] = {}
            self._log: list[Entry] = []
            self.violations: list[Entry] = []
            self.verdicts: dict[str, str] = {}
            self.feedback: list[dict[str, Any]] = []

    def listen(self) -> None:
        """Accept connections."""
        with self._port_lock:
            if self.stopped.is_set():
                self.stopped.clear()
                self._listener.start()

    def refuse(self, lasting: float | None = None) -> None:
        """
        Break off all connections and refuse new ones, for so many seconds or until ``listen()``.

        The port stays ours all the time: it is bound, but nobody listens.
        """
        with self._port_lock:
            if self._timer is not None:
                self._timer.cancel()
            if not self.stopped.is_set():
                self.stopped.set()
                self._listener.stop()
                self._listener = Listener(self, self.port)
            if lasting is not None:
                self._timer = threading.Timer(lasting, self.listen)
                self._timer.start()

    def behave(self, path: str, name: str, **options: Any) -> Rule:
        """
        Let requests to a path be struck by a behaviour; the first rule that applies decides, so the order matters.

        ``options`` are the fields of ``Rule``. ``ok`` takes all rules of the path back. ``refuse`` strikes the whole
        server, for ``lasting`` seconds or until ``listen()``.
        """
        rule = Rule(name=name, **options)
        if name == "refuse":
            self.refuse(rule.lasting)
            return rule
        if rule.probability < 1:
            print(f"behave path={path} name={name} seed={rule.seed}", file=sys.stderr)
        with self._lock:
            self._rules[path] = [] if name == "ok" else [*self._rules[path], rule]
        return rule

    def log(self, path: str | None = None, *, after: int = 0) -> list[Entry]:
        """Return the requests that arrived, oldest first, without the first ``after`` ones."""
        with self._lock:
            entries = self._log[after:]
        return [entry for entry in entries if path in (None, entry.path)]

    def counts(self, path: str, column: str) -> Counter[str]:
        """Return how often each ``data_id`` or ``sha256`` was asked about."""
        with self._lock:
            return Counter(self._counts[path, column])

    def arrive(self, path: str, data_id: str, sha256: str, connection: int, arrived_at: float) -> tuple[Rule, float]:
        """Note a request; return the rule that strikes it and the latency on top."""
        with self._lock:
            now = time.monotonic()
            arrivals = self._arrivals[path]
            arrivals.append(now)
            while arrivals[0] <= now - 1:
                arrivals.popleft()
            rule, latency = self._choose(path, now, len(arrivals))
            entry = Entry(arrived_at, path, data_id, sha256, connection, rule.name)
            self._log.append(entry)
            if rule.per_second is not None:
                self.violations.append(entry)
            self._counts[path, "data_id"][data_id] += 1
            self._counts[path, "sha256"][sha256] += 1
        return rule, latency

    def _choose(self, path: str, now: float, arrivals_in_last_second: int) -> tuple[Rule, float]:
        latency = 0.0
        for rule in self._rules[path]:
            if rule.strikes(now, arrivals_in_last_second):
                if rule.name != "latency":
                    return rule, latency
                latency += rule.seconds
        return OK, latency

    def submit(self, data_id: str, sha256: str, mode: str) -> dict[str, Any]:
        reference = uuid.uuid4().hex
        with self._lock:
            self._submissions[reference] = (data_id, sha256)
        return self.result(reference) if mode == "sync" else self._answer(data_id, reference, None)

    def submission(self, reference: str) -> tuple[str, str]:
        """Return data_id and sha256 of a reference; empty for one that was never given."""
        return self._submissions.get(reference, ("", ""))

    def result(self, reference: str) -> dict[str, Any]:
        data_id, sha256 = self._submissions[reference]
        level = self.verdicts.get(sha256) or level_of(sha256)
        detections = [] if level == "none" else [{"label": f"loopback_{level}", "confidence": 90.0}]
        return self._answer(data_id, reference, {"risk_level": level, "detections": detections})

    def _answer(self, data_id: str, reference: str, verdict: dict[str, Any] | None) -> dict[str, Any]:
        return {"data_id": data_id, "reference": reference, "verdict": verdict}


class Listener(ThreadingHTTPServer):
    """One life of the listening socket: bound when it is made, listening once it is activated."""

    # Threads are joined when it is closed.
    daemon_threads = False
    request_queue_size = 256

    def __init__(self, faults: FaultServer, port: int) -> None:
        super().__init__((HOST, port), Handler, bind_and_activate=False)
        self.faults = faults
        self.connections: set[Any] = set()
        self.server_bind()

    def server_bind(self) -> None:
        # The inherited one looks up the name of the host.
        socketserver.TCPServer.server_bind(self)

    def start(self) -> None:
        self.server_activate()
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
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
        # A client that has gone away is what is tested here.
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener

    @property
    def faults(self) -> FaultServer:
        return self.server.faults

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self.reader = TimedReader(self.connection)
        self.rfile = io.BufferedReader(self.reader)

    def parse_request(self) -> bool:
        self.arrived_at = self.reader.arrived_at
        return super().parse_request()

    def do_GET(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = urlsplit(self.path)
        self.endpoint, _, self.argument = parts.path.strip("/").partition("/")
        self.query = dict(parse_qsl(parts.query))
        if control := getattr(self, f"control_{self.endpoint}", None):
            control()
            return
        self.fields = self._fields()
        if self.endpoint == "result":
            data_id, sha256 = self.faults.submission(self.argument)
        else:
            data_id, sha256 = str(self.fields.get("data_id", "")), str(self.fields.get("sha256", ""))
        rule, latency = self.faults.arrive(self.endpoint, data_id, sha256, self.client_address[1], self.arrived_at)
        if latency:
            self.wait(latency)
        BEHAVIOURS[rule.name](self, rule)

    do_POST = do_PUT = do_GET  # noqa: N815 - likewise

    def _fields(self) -> dict[str, Any]:
        if self.headers.get_content_type() == "application/json":
            parsed = json.loads(self.body or b"{}")
            return parsed if isinstance(parsed, dict) else {}
        return {name: self.headers.get(name.replace("_", "-"), "") for name in ("data_id", "sha256", "mode")}

    def process(self) -> Reply:
        """Do what was asked, and return the answer of a server that works."""
        answer = getattr(self, f"process_{self.endpoint}", None)
        status, payload = answer() if answer else (404, {"error": "no such path"})
        return Reply(status=status, body=json.dumps(payload).encode())

    def process_submit(self) -> tuple[int, Any]:
        data_id, sha256 = self.fields.get("data_id"), self.fields.get("sha256")
        if not data_id or not sha256:
            return 400, {"error": "data_id and sha256 are needed"}
        is_picture = self.headers.get_content_type() != "application/json" and self.body
        if is_picture and hashlib.sha256(self.body).hexdigest() != sha256:
            return 400, {"error": "the body is not what sha256 says"}
        return 200, self.faults.submit(data_id, sha256, self.fields.get("mode") or "sync")

    def process_result(self) -> tuple[int, Any]:
        if not any(self.faults.submission(self.argument)):
            return 404, {"error": "gone"}
        return 200, self.faults.result(self.argument)

    def process_feedback(self) -> tuple[int, Any]:
        self.faults.feedback.append(self.fields)
        return 200, {"accepted": True}

    def process_echo(self) -> tuple[int, Any]:
        headers = {name.lower(): value for name, value in self.headers.items()}
        return 200, {"method": self.command, "path": self.path, "headers": headers, "body": self.body.decode("latin-1")}

    def control_log(self) -> None:
        entries = self.faults.log(after=int(self.query.get("after", 0)))
        violations = [entry._asdict() for entry in self.faults.violations]
        self._control_answer({"entries": [entry._asdict() for entry in entries], "violations": violations})

    def control_counts(self) -> None:
        path = self.query.get("path", "submit")
        self._control_answer({column: self.faults.counts(path, column) for column in ("data_id", "sha256")})

    def control_verdicts(self) -> None:
        self.faults.verdicts.update(json.loads(self.body))
        self._control_answer({})

    def control_behave(self) -> None:
        options = json.loads(self.body)
        if options.get("name") == "refuse":
            # It ends this connection too, so the answer goes first, and another thread does it.
            self._control_answer({"seed": None})
            threading.Thread(target=self.faults.behave, kwargs=options).start()
            return
        try:
            self._control_answer({"seed": self.faults.behave(**options).seed})
        except (TypeError, ValueError) as error:
            self._control_answer({"error": str(error)}, status=400)

    def _control_answer(self, payload: Any, *, status: int = 200) -> None:
        self.write(*Reply(status=status, body=json.dumps(payload).encode()).encoded())

    def write(self, *parts: bytes) -> None:
        self.connection.sendall(b"".join(parts))

    def drip(self, content: bytes, seconds: float) -> None:
        for position in range(len(content)):
            self.write(content[position : position + 1])
            self.wait(seconds)

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than the server runs."""
        if self.faults.stopped.wait(seconds):
            raise ConnectionAbortedError("The server is being stopped.")

    def hang_up(self) -> None:
        """Close the connection now and for good, with no word of farewell."""
        self.close_connection = True
        # It holds on to the connection.
        self.rfile.close()
        self.connection.close()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as inherited
        pass


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve as a provider that misbehaves when it is told to.")
    parser.add_argument("--port", type=int, default=0, help="0, the default, takes one that is free")
    with FaultServer(parser.parse_args().port) as server:
        print(server.url, flush=True)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()


if __name__ == "__main__":
    main()
