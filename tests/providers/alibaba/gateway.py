"""A server that answers what a test says, and the least that a provider of each generation is."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from django_imgmod.providers.alibaba.base import AlibabaProvider
from django_imgmod.providers.alibaba.regions import GREEN, MODERATION2
from django_imgmod.results import ImageSource, Submission


class Provider2(AlibabaProvider):
    generation = MODERATION2

    def submit(self, source: ImageSource) -> Submission:
        raise NotImplementedError


class Provider1(Provider2):
    generation = GREEN


class Arrival(NamedTuple):
    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes


class Gateway:
    """A server that notes what arrives, and answers from a queue: status, headers and JSON value or bytes."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.arrivals: list[Arrival] = []
        self.answers: deque[tuple[int, Mapping[str, str], Any]] = deque()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, body: Any, status: int = 200, **headers: str) -> None:
        self.answers.append((status, {name.replace("_", "-"): value for name, value in headers.items()}, body))

    def fail(self, code: object, status: int = 400, **headers: str) -> None:
        self.answer({"RequestId": "0A1B", "Code": code, "Message": "some words"}, status, **headers)

    def reply(self, arrival: Arrival) -> tuple[int, Mapping[str, str], Any]:
        self.arrivals.append(arrival)
        return self.answers.popleft() if self.answers else (200, {}, {"Code": 200, "code": 200, "Data": {}})


@contextmanager
def serving() -> Iterator[Gateway]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length", 0)))
            query = parse_qsl(parts.query, keep_blank_values=True)
            status, given, answer = gateway.reply(Arrival(self.command, parts.path, query, headers, body))
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response_only(status)
            for name, value in {"Content-Length": str(len(content)), **given}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_PUT = do_POST  # noqa: N815 - the name that the server looks for

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        gateway = Gateway(server.server_address[1])
        server.daemon_threads = True
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield gateway
        server.shutdown()
