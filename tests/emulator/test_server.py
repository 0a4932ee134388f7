"""Over real connections to this machine."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from django_imgmod.canary import canary_png
from django_imgmod.emulator import Emulator, Fault, serve

from .signed import Draft, acs3, put, roa

Exchange = tuple[int, dict[str, str], bytes]
CREDENTIALS = "/green/credentials/uploadcredentials"


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer with what a header, the query and the path are here."""
    environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [])
    shown = [environ.get(name, "-") for name in ("HTTP_X_TEST", "CONTENT_TYPE", "QUERY_STRING", "PATH_INFO")]
    return ["|".join(shown).encode("latin-1")]


@pytest.fixture
def echoing() -> Iterator[str]:
    with serve(echo) as address:
        yield address


@pytest.fixture
def live(make: Callable[..., Emulator]) -> Iterator[tuple[Emulator, str]]:
    """An emulator that goes by this machine's clock, and its address."""
    emulator = make(clock=None)
    with serve(emulator) as address:
        yield emulator, address


def exchange(connection: http.client.HTTPConnection, draft: Draft) -> Exchange:
    target = f"{draft.path}?{draft.query}" if draft.query else draft.path
    connection.putrequest(draft.method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in {"Content-Length": str(len(draft.body)), **draft.headers}.items():
        connection.putheader(name, value)
    connection.endheaders(draft.body)
    answer = connection.getresponse()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


def raw(address: str, request: bytes) -> bytes:
    """Send bytes and return all that comes back until the server hangs up."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def now() -> datetime:
    return datetime.now(UTC)


def test_a_connection_serves_many_requests(live):
    connection = http.client.HTTPConnection(live[1], timeout=10)
    sockets = set()
    for draft in (
        roa(CREDENTIALS, {}, now=now()),
        acs3("DescribeUploadToken", now=now()),
        roa(CREDENTIALS, {}, now=now(), secret="another"),
        roa("/nothing", {}, now=now()),
        roa(CREDENTIALS, {}, now=now()),
    ):
        status, headers, body = exchange(connection, draft)
        sockets.add(connection.sock)
        assert headers["content-length"] == str(len(body))
        assert status in (200, 400, 404)
    assert len(sockets) == 1
    connection.close()


def test_an_uploaded_picture_is_judged(live):
    _, address = live
    token = requests.post(**_prepared(address, acs3("DescribeUploadToken", now=now(), host=address)), timeout=10).json()
    data = token["Data"]
    assert data["OssInternetEndPoint"] == f"http://{address}"
    name = f"{data['FileNamePrefix']}a b.png"
    draft = put(
        data["BucketName"],
        name,
        canary_png("high"),
        key_id=data["AccessKeyId"],
        secret=data["AccessKeySecret"],
        token=data["SecurityToken"],
        now=now(),
        version=4,
    )
    connection = http.client.HTTPConnection(address, timeout=10)
    assert exchange(connection, draft)[0] == 200
    url = f"oss://{data['BucketName']}/{name}"
    body = {"scenes": ["porn"], "tasks": [{"url": url}]}
    judged = exchange(connection, roa("/green/image/scan", body, now=now()))
    assert b'"block"' in judged[2]
    connection.close()


def _prepared(address: str, draft: Draft) -> dict[str, Any]:
    return {"url": f"http://{address}/", "params": draft.query, "headers": draft.headers, "data": draft.body}


def test_connections_are_served_side_by_side_and_who_waits_is_woken_in_the_end():
    waits, woken = threading.Event(), threading.Event()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/slow":
            waits.set()
            assert environ["imgmod.stopped"].wait(60)
            woken.set()
        return echo(environ, start_response)

    with serve(app) as address:
        first, second = (http.client.HTTPConnection(address, timeout=10) for _ in range(2))
        first.request("GET", "/slow")
        assert waits.wait(10)
        second.request("GET", "/fast")
        assert second.getresponse().read() == b"-|-||/fast"
        assert not woken.is_set()
    assert woken.is_set()
    first.close()
    second.close()


def test_a_slow_answer_comes_in_the_end(live):
    emulator, address = live
    emulator.faults.add(Fault(name="slow", value="0.05", times=1))
    connection = http.client.HTTPConnection(address, timeout=10)
    began = time.monotonic()
    assert exchange(connection, roa(CREDENTIALS, {}, now=now()))[0] == 200
    assert time.monotonic() - began >= 0.05
    connection.close()


def test_a_reset_is_one(live):
    emulator, address = live
    emulator.faults.add(Fault(name="reset", times=1))
    connection = http.client.HTTPConnection(address, timeout=10)
    with pytest.raises(ConnectionResetError):
        exchange(connection, roa(CREDENTIALS, {}, now=now()))
    connection.close()
    assert exchange(connection, roa(CREDENTIALS, {}, now=now()))[0] == 200
    connection.close()


def test_no_length_is_no_body(live):
    draft = acs3("DescribeUploadToken", now=now())
    head = "".join(f"{name.upper()}: {value}\r\n" for name, value in draft.headers.items())
    answer = raw(live[1], f"POST / HTTP/1.1\r\n{head}Connection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200 ")


def test_a_body_that_is_too_long_is_not_read(live):
    answer = raw(live[1], b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in answer
    assert b"RequestEntityTooLarge" in answer


def test_a_body_that_ends_early_is_refused(live):
    host, _, port = live[1].rpartition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc")
        connection.shutdown(socket.SHUT_WR)
        assert b"InvalidParameter" in b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "header",
    ["Transfer-Encoding: chunked", "Content-Length: x", "Content-Length: -1", "Content-Length: 1\r\nContent-Length: 1"],
)
def test_a_body_of_unknown_length_is_refused(echoing, header):
    answer = raw(echoing, f"POST / HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n0\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 411 ")
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    ("request_", "shown"),
    [
        ("POST /a%2Fb%20?x=%20+ HTTP/1.1\r\nX-Test: 1", "1|-|x=%20+|/a/b "),
        ("POST / HTTP/1.1\r\nx-TEST:  1 ", "1|-||/"),
        ("POST / HTTP/1.1\r\nX-Test: 1\r\nX-Test: 2", "1,2|-||/"),
        ("POST / HTTP/1.1\r\nX_Test: 1", "-|-||/"),
        ("POST / HTTP/1.1\r\nX-Test: 1\r\nX_Test: 2", "1|-||/"),
        ("POST / HTTP/1.1\r\nContent-Type: text/x", "-|text/x||/"),
        ("POST http://host/path?a=1 HTTP/1.1\r\nX-Test: 1", "1|-|a=1|/path"),
        ("POST /?u=http://host/x HTTP/1.1\r\nX-Test: 1", "1|-|u=http://host/x|/"),
    ],
)
def test_a_request_arrives_as_it_was_sent(echoing, request_, shown):
    answer = raw(echoing, f"{request_}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert answer.partition(b"\r\n\r\n")[2].decode() == shown


def test_a_question_about_the_head_has_no_body(echoing):
    answer = raw(echoing, b"HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Content-Length: 6" in head
    assert body == b""


def test_requests_may_come_before_the_answers(echoing):
    one = "POST /{} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
    answer = raw(echoing, (one.format(1) + one.format(2)).encode() + b"GET /3 HTTP/1.0\r\n\r\n")
    bodies = [line.partition(b"HTTP/1.1")[0] for line in answer.split(b"\r\n") if b"|" in line]
    assert bodies == [b"-|-||/1", b"-|-||/2", b"-|-||/3"]


def test_leaving_breaks_connections_off_and_ends_all_threads(make):
    before = threading.active_count()
    with serve(echo) as address:
        connection = http.client.HTTPConnection(address, timeout=10)
        connection.request("GET", "/")
        connection.getresponse().read()
        kept = connection.sock
    assert kept.recv(1) == b""
    connection.close()
    assert threading.active_count() == before
    with pytest.raises(ConnectionRefusedError):
        raw(address, b"x")


def test_a_port_can_be_chosen():
    with serve(echo) as address:
        port = int(address.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"), serve(echo, port=port):
            pass
    with serve(echo, port=port) as again:
        assert again == f"127.0.0.1:{port}"
