"""What becomes of a request, on real connections to a server that misbehaves."""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import socket
import ssl
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.utils import timezone
from django.utils.http import http_date

import django_imgmod
from django_imgmod.choices import ErrorCode, Status
from django_imgmod.exceptions import (
    ImgmodConfigurationError,
    ProviderAuthError,
    ProviderError,
    ProviderProtocolError,
    ProviderRefused,
    ProviderThrottled,
    ProviderUnavailable,
)
from django_imgmod.models import ModerationRecord
from django_imgmod.providers.http import Answer, HttpProvider
from django_imgmod.results import ImageSource, Submission
from tests.faults.server import FaultServer
from tests.hostapp.models import Photo

TOKEN = "s3cr3t"
# For 127.0.0.1, until 2120.
SELF_SIGNED = Path(__file__).parent / "self_signed.pem"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
# Far over every timeout here, far under what the server would take without one.
SOON = 5.0


class Caller(HttpProvider):
    """Nothing but what the base class does."""

    def submit(self, source: ImageSource) -> Submission:
        raise NotImplementedError


class CodedCaller(Caller):
    """A provider whose errors have codes of their own."""

    def error_of(self, answer: Answer) -> ProviderError | None:
        if answer.payload.get("code") == "slow_down":
            return ProviderThrottled("slow down", retry_after=float(answer.headers["x-wait-ms"]) / 1000)
        return ProviderRefused("no picture") if answer.payload.get("code") == 409 else None


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FaultServer() as server:
        yield server


@pytest.fixture
def caller() -> Caller:
    return Caller("cloud", connect_timeout=2, timeout=0.3, deadline=0.6)


@contextmanager
def soon() -> Iterator[None]:
    started_at = time.monotonic()
    yield
    assert time.monotonic() - started_at < SOON


@contextmanager
def listening(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    """Let a function have the first connection to a port."""

    def accept() -> None:
        connection, _ = listener.accept()
        with connection:
            serve(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


class TestRequest:
    def test_answer_has_status_headers_and_payload(self, server, caller):
        server.behave("echo", "answer", status=202, headers={"X-Request": "7"}, body='{"code": 200}')
        answer = caller.send("GET", f"{server.url}/echo")
        assert (answer.status, answer.headers["x-request"], answer.payload) == (202, "7", {"code": 200})

    def test_parts_arrive_as_requests_takes_them(self, server, caller):
        url = f"{server.url}/echo"
        sent = caller.send("POST", url, params={"page": "1"}, headers={"X-Key": "k"}, json={"a": 1}).payload
        assert (sent["method"], sent["path"], sent["body"]) == ("POST", "/echo?page=1", '{"a": 1}')
        assert sent["headers"]["x-key"] == "k"
        assert caller.send("PUT", url, data=b"\x00\xff").payload["body"] == "\x00\xff"
        assert caller.send("POST", url, data={"a": "b c"}).payload["body"] == "a=b+c"
        assert "filename" in caller.send("POST", url, files={"image": ("a.png", b"bytes")}).payload["body"]

    def test_says_who_is_asking_and_wants_plain_json(self, server, caller):
        headers = caller.send("GET", f"{server.url}/echo").payload["headers"]
        assert headers["user-agent"] == f"django-imgmod/{django_imgmod.__version__}"
        assert (headers["accept"], headers["accept-encoding"]) == ("application/json", "identity")

    @pytest.mark.parametrize("parts", [{"data": b"x"}, {"json": {"a": 1}}], ids=["bytes", "json"])
    def test_own_headers_replace_those_of_everyone(self, caller, parts):
        """Whatever their case, and once: a signature may be about them."""
        head = bytearray()

        def answer(connection: socket.socket) -> None:
            while b"\r\n\r\n" not in head:
                head.extend(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        with listening(answer) as url:
            caller.send("POST", url + "/", headers={"accept": "text/plain"}, **parts)
        lines = bytes(head).lower().split(b"\r\n")
        assert [line for line in lines if line.startswith(b"accept:")] == [b"accept: text/plain"]

    @pytest.mark.parametrize(
        "header", [("X-Key", "a\r\nX-Other: b"), ("X-Key", "a\n b"), ("X-Key: a", "b"), ("X-\n", "b")]
    )
    @pytest.mark.parametrize("data", [None, b"x"])
    def test_header_that_is_none_is_not_sent(self, server, caller, header, data):
        with pytest.raises(ImgmodConfigurationError, match="cannot be sent such a request"):
            caller.send("POST", f"{server.url}/echo", headers=dict([header]), data=data)
        assert server.log() == []

    @pytest.mark.parametrize("data", [None, b"x"])
    @pytest.mark.parametrize(
        ("given", "sent"),
        [
            ("/echo", "/echo"),
            ("/echo?", "/echo"),
            ("/echo?a=%2F~b&c=", "/echo?a=%2F~b&c="),
            ("/echo?a=b c", "/echo?a=b%20c"),
            ("/echo?a=ü", "/echo?a=%C3%BC"),
            ("/echo?a=100%", "/echo?a=100%25"),
            ("/a/../echo?a=b", "/echo?a=b"),
            ("/echo?a=b#c", "/echo?a=b"),
        ],
    )
    def test_address_is_sent_as_it_can_be_read(self, server, caller, data, given, sent):
        assert caller.send("POST", f"{server.url}{given}", data=data).payload["path"] == sent

    def test_cookies_are_not_kept(self, server, caller):
        server.behave("echo", "answer", count=1, headers={"Set-Cookie": "a=b"}, body="{}")
        caller.send("GET", f"{server.url}/echo")
        assert "cookie" not in caller.send("GET", f"{server.url}/echo").payload["headers"]

    def test_connection_is_kept_through_answers_of_all_kinds(self, server, caller):
        server.behave("submit", "throttle", count=1)
        server.behave("submit", "error", count=1)
        server.behave("submit", "garbage", count=1)
        for _ in range(3):
            with pytest.raises(ProviderError):
                caller.send("POST", f"{server.url}/submit")
            caller.send("GET", f"{server.url}/echo")
        assert len(server.log()) == 6
        assert len({entry.connection for entry in server.log()}) == 1

    def test_connection_that_the_server_closed_meanwhile_is_made_anew(self, server, caller):
        caller.send("GET", f"{server.url}/echo")
        server.refuse()
        server.listen()
        caller.send("GET", f"{server.url}/echo")
        assert len({entry.connection for entry in server.log()}) == 2

    def test_connection_is_not_shared_with_a_process_forked_meanwhile(self, server, caller, monkeypatch):
        caller.send("GET", f"{server.url}/echo")
        session = caller.session
        monkeypatch.setattr(os, "getpid", lambda: -1)
        caller.send("GET", f"{server.url}/echo")
        assert caller.session is not session
        assert len({entry.connection for entry in server.log()}) == 2

    def test_answer_of_another_request_is_never_read(self, server, caller):
        """What is left on a connection belongs to nobody."""
        server.behave(
            "echo", "answer", count=1, body='{"of": "first"}HTTP/1.1 200 OK\r\n\r\n{}', headers={"Content-Length": "15"}
        )
        assert caller.send("GET", f"{server.url}/echo").payload == {"of": "first"}
        assert caller.send("GET", f"{server.url}/echo?second").payload["path"] == "/echo?second"

    @pytest.mark.parametrize("headers", [{}, {"Authorization": "signed"}])
    def test_netrc_does_not_touch_the_headers(self, server, caller, monkeypatch, tmp_path, headers):
        netrc = tmp_path / "netrc"
        netrc.write_text("default login somebody password else\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        sent = caller.send("GET", f"{server.url}/echo", headers=headers).payload["headers"]
        assert sent.get("authorization") == headers.get("Authorization")

    def test_proxy_of_the_environment_is_used_and_gets_no_longer(self, server, caller, monkeypatch):
        monkeypatch.setenv("HTTP_PROXY", server.url)
        assert caller.send("GET", "http://cloud.invalid/echo").payload["path"] == "http://cloud.invalid/echo"
        server.behave("echo", "drip_all", seconds=0.1)
        with soon(), pytest.raises(ProviderUnavailable, match=r"cloud\.invalid/echo\) gave no whole answer in 0\.6 s"):
            caller.send("GET", "http://cloud.invalid/echo")

    @pytest.mark.parametrize("url", ["cloud.example/echo", "http://[::1/echo", "ftp://cloud.example/echo", "http://"])
    def test_address_that_is_none_is_a_wrong_setting(self, caller, url):
        with pytest.raises(ImgmodConfigurationError, match='"cloud"'):
            caller.send("GET", url)


class TestOptions:
    def test_defaults(self):
        caller = Caller("cloud")
        assert (caller.connect_timeout, caller.timeout, caller.deadline) == (5, 10, 30)

    @pytest.mark.parametrize("name", ["connect_timeout", "timeout", "deadline"])
    @pytest.mark.parametrize("value", [0, -1, 121, float("nan"), True, "5", None])
    def test_timeouts_are_seconds(self, name, value):
        with pytest.raises(ImgmodConfigurationError, match=f'"cloud".*{name}'):
            Caller("cloud", **{name: value})

    def test_unknown_options_are_errors(self):
        with pytest.raises(ImgmodConfigurationError, match="'time_out'"):
            Caller("cloud", time_out=3)

    def test_cannot_be_used_by_itself(self):
        with pytest.raises(TypeError):
            HttpProvider("cloud")  # type: ignore[abstract]


class TestNoAnswer:
    """What ends in ``ProviderUnavailable``: it may be better next time."""

    @pytest.mark.parametrize(
        ("behaviour", "words"),
        [
            ("reset_before", "broke off the connection (Connection reset by peer)"),
            ("reset_after", "broke off the connection (Connection reset by peer)"),
            ("half", "broke off the connection (IncompleteRead)"),
            ("stall", "was silent for 0.3 s"),
            ("error", "failed (HTTP 500)"),
            ("unavailable", "failed (HTTP 503)"),
        ],
    )
    def test_of_a_server_in_trouble(self, server, caller, behaviour, words):
        server.behave("submit", behaviour)
        with soon(), pytest.raises(ProviderUnavailable) as caught:
            caller.send("POST", f"{server.url}/submit", data=b"x" * 100_000)
        assert str(caught.value).startswith(f'Provider "cloud" (127.0.0.1:{server.port}/submit) {words}')
        assert (caught.value.retryable, caught.value.code) == (True, ErrorCode.UNAVAILABLE)
        # And nothing is repeated behind the caller's back.
        assert len(server.log()) == 1

    def test_of_a_server_that_is_down(self, server, caller):
        server.refuse()
        with pytest.raises(ProviderUnavailable, match=r"cannot be reached \(Connection refused\)"):
            caller.send("GET", f"{server.url}/echo")

    def test_of_a_proxy_that_is_down(self, server, caller, monkeypatch):
        server.refuse()
        monkeypatch.setenv("HTTP_PROXY", server.url)
        with pytest.raises(ProviderUnavailable, match=r"cannot be reached through the proxy .* \(Connection refused\)"):
            caller.send("GET", "http://cloud.invalid/echo")

    def test_of_a_server_without_tls(self, server, caller):
        with pytest.raises(ProviderUnavailable, match="offers no TLS connection that can be trusted"):
            caller.send("GET", f"https://127.0.0.1:{server.port}/echo")

    @pytest.mark.parametrize("is_trusted", [False, True])
    def test_of_a_server_whose_certificate_nobody_vouches_for(self, caller, monkeypatch, is_trusted):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(SELF_SIGNED)

        def answer(connection: socket.socket) -> None:
            with suppress(ssl.SSLError), context.wrap_socket(connection, server_side=True) as tls:
                tls.recv(65536)
                tls.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        if is_trusted:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(SELF_SIGNED))
        expected = nullcontext() if is_trusted else pytest.raises(ProviderUnavailable, match="TLS connection")
        with listening(answer) as url, expected:
            assert caller.send("GET", url.replace("http:", "https:")).status == 200

    def test_of_a_server_that_accepts_and_says_goodbye(self, caller):
        with (
            listening(lambda connection: None) as url,
            pytest.raises(ProviderUnavailable, match="broke off the connection"),
        ):
            caller.send("GET", url)

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"connect_timeout": 0.2}, r"accepted no connection in 0\.2 s"),
            ({"connect_timeout": 20, "deadline": 0.2}, r"gave no whole answer in 0\.2 s"),
        ],
    )
    def test_of_a_server_that_accepts_no_connection(self, options, words):
        with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, ExitStack() as queue:
            for _ in range(4):
                waiting = queue.enter_context(socket.socket())
                waiting.setblocking(False)
                waiting.connect_ex(listener.getsockname())
            with soon(), pytest.raises(ProviderUnavailable, match=words):
                Caller("cloud", **options).send("GET", f"http://127.0.0.1:{listener.getsockname()[1]}")

    @pytest.mark.parametrize("behaviour", ["drip", "drip_all"])
    def test_of_a_server_that_drips(self, server, caller, behaviour):
        server.behave("echo", behaviour, seconds=0.1)
        with soon(), pytest.raises(ProviderUnavailable, match=r"gave no whole answer in 0\.6 s"):
            caller.send("GET", f"{server.url}/echo")

    def test_of_a_server_that_takes_no_more_bytes(self, caller):
        is_over = threading.Event()
        with listening(lambda connection: is_over.wait(SOON)) as url:
            with soon(), pytest.raises(ProviderUnavailable, match=r"gave no whole answer in 0\.6 s"):
                caller.send("PUT", url, data=bytes(20_000_000))
            is_over.set()

    def test_bytes_may_take_longer_than_a_connection(self):
        """A picture goes over a slow line: what limits it is the deadline."""
        caller = Caller("cloud", connect_timeout=0.2, timeout=0.2, deadline=20)
        size = 20_000_000

        def read_late(connection: socket.socket) -> None:
            time.sleep(0.5)
            received = 0
            while received < size:
                received += len(connection.recv(1 << 20))
            connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"ok":  true}')

        with listening(read_late) as url:
            assert caller.send("PUT", url, data=bytes(size)).payload == {"ok": True}


class TestStatus:
    @pytest.mark.parametrize(
        ("status", "error", "code"),
        [
            (400, ProviderProtocolError, ErrorCode.PROTOCOL),
            (401, ProviderAuthError, ErrorCode.AUTHENTICATION),
            (402, ProviderAuthError, ErrorCode.AUTHENTICATION),
            (403, ProviderAuthError, ErrorCode.AUTHENTICATION),
            (404, ProviderProtocolError, ErrorCode.PROTOCOL),
            (408, ProviderUnavailable, ErrorCode.UNAVAILABLE),
            (413, ProviderRefused, ErrorCode.TOO_LARGE),
            (422, ProviderProtocolError, ErrorCode.PROTOCOL),
            (429, ProviderThrottled, ErrorCode.THROTTLED),
            (500, ProviderUnavailable, ErrorCode.UNAVAILABLE),
            (502, ProviderUnavailable, ErrorCode.UNAVAILABLE),
            (503, ProviderUnavailable, ErrorCode.UNAVAILABLE),
            (599, ProviderUnavailable, ErrorCode.UNAVAILABLE),
            (304, ProviderProtocolError, ErrorCode.PROTOCOL),
            (600, ProviderProtocolError, ErrorCode.PROTOCOL),
            (999, ProviderProtocolError, ErrorCode.PROTOCOL),
        ],
    )
    @pytest.mark.parametrize("body", ['{"risk_level": "none"}', "<h1>Sorry</h1>", ""])
    def test_of_an_error(self, server, caller, status, error, code, body):
        server.behave("submit", "answer", status=status, body="" if status == 304 else body)
        with pytest.raises(ProviderError, match=rf"127\.0\.0\.1:\d+/submit\) .*\(HTTP {status}\)") as caught:
            caller.send("POST", f"{server.url}/submit")
        assert (type(caught.value), caught.value.code) == (error, code)

    @pytest.mark.parametrize(
        ("given", "seconds"),
        [
            ("17", 17),
            ("0", 0),
            ("1.5", 1.5),
            ("86400", 3600),
            ("1e999", 3600),
            ("-5", None),
            ("nan", None),
            ("soon", None),
            ("", None),
            ("Wed, 21 Oct 2015 07:28:00 GMT", None),
        ],
    )
    def test_throttling_names_its_end(self, server, caller, given, seconds):
        server.behave("submit", "throttle", headers={"Retry-After": given})
        with pytest.raises(ProviderThrottled) as caught:
            caller.send("POST", f"{server.url}/submit")
        assert caught.value.retry_after == seconds

    def test_throttling_ends_at_a_date(self, server, caller):
        server.behave("submit", "throttle", headers={"Retry-After": http_date(time.time() + 60)})
        with pytest.raises(ProviderThrottled) as caught:
            caller.send("POST", f"{server.url}/submit")
        assert 50 < (caught.value.retry_after or 0) <= 60

    def test_outage_that_names_its_end_is_throttling(self, server, caller):
        server.behave("submit", "unavailable", headers={"Retry-After": "9"})
        with pytest.raises(ProviderThrottled, match=r"asked for fewer requests \(HTTP 503\)") as caught:
            caller.send("POST", f"{server.url}/submit")
        assert caught.value.retry_after == 9

    def test_other_outage_keeps_its_end(self, server, caller):
        server.behave("submit", "error", headers={"Retry-After": "9"})
        with pytest.raises(ProviderUnavailable) as caught:
            caller.send("POST", f"{server.url}/submit")
        assert caught.value.retry_after == 9

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    @pytest.mark.parametrize(
        ("location", "host"),
        [
            ("{url}/echo?token=s3cr3t", "127.0.0.1:{port}"),
            ("/echo?token=s3cr3t", "127.0.0.1:{port}"),
            ("https://somebody:s3cr3t@elsewhere.example/?token=s3cr3t", "elsewhere.example"),
            ("http://[::1/", "127.0.0.1:{port}"),
        ],
    )
    def test_redirection_is_not_followed(self, server, caller, status, location, host):
        location = location.format(url=server.url)
        server.behave("submit", "answer", status=status, headers={"Location": location}, body="x" * 100_000)
        with pytest.raises(ProviderProtocolError) as caught:
            caller.send("POST", f"{server.url}/submit")
        assert f"wants the request sent to {host.format(port=server.port)} (HTTP {status})" in str(caught.value)
        assert TOKEN not in str(caught.value)
        assert len(server.log()) == 1


class TestBody:
    @pytest.mark.parametrize(
        "body",
        [
            "",
            "<h1>It works!</h1>",
            '{"risk_level": "none"',
            '"none"',
            "null",
            "[]",
            '[{"risk_level": "none"}]',
            '{"confidence": NaN}',
            '{"confidence": -Infinity}',
            '{"confidence": ' + "9" * 5000 + "}",
            '{"a":' * 100_000,
            "\ufeff\ufeff{}",
        ],
        ids=range(12),
    )
    def test_that_is_no_json_object_is_not_understood(self, server, caller, body):
        server.behave("submit", "answer", body=body)
        with pytest.raises(ProviderProtocolError, match=r"/submit\) answered with something that is no JSON object"):
            caller.send("POST", f"{server.url}/submit")

    @pytest.mark.parametrize("body", ["", "<h1>Stored</h1>", '{"risk_level"', '{"code": 409}', "x" * 2_100_000])
    def test_is_not_read_where_the_status_alone_counts(self, server, body):
        server.behave("submit", "answer", body=body, headers={"ETag": "7"})
        answer = CodedCaller("cloud").send("PUT", f"{server.url}/submit", data=b"\xff", wants_json=False)
        assert (answer.status, answer.headers["etag"], answer.payload) == (200, "7", {})
        server.forget()
        server.behave("submit", "answer", status=403, body=body)
        with pytest.raises(ProviderAuthError, match=r"\(HTTP 403\)"):
            CodedCaller("cloud").send("PUT", f"{server.url}/submit", wants_json=False)

    def test_that_nobody_asked_to_be_packed_is_not_unpacked(self, caller):
        packed = gzip.compress(b'{"risk_level": "none"}')
        head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
        with (
            listening(lambda connection: connection.sendall(head + packed)) as url,
            pytest.raises(ProviderProtocolError, match="no JSON object"),
        ):
            caller.send("GET", url)

    def test_may_come_in_chunks(self, caller):
        content = (
            b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n{"ok":\r\n5\r\n true\r\n1\r\n}\r\n0\r\n\r\n'
        )
        with listening(lambda connection: connection.sendall(content)) as url:
            assert caller.send("GET", url).payload == {"ok": True}

    @pytest.mark.parametrize("chunks", [b"6\r\n{}", b"2\r\n{}\r\n"])
    def test_that_ends_within_its_chunks_is_half_an_answer(self, caller, chunks):
        with (
            listening(lambda connection: connection.sendall(CHUNKED + chunks)) as url,
            pytest.raises(ProviderUnavailable, match="broke off the connection"),
        ):
            caller.send("GET", url)

    def test_is_bounded(self, server, caller):
        limit = caller.max_answer_bytes
        server.behave("echo", "answer", body='{"a": "' + "x" * (limit - 9) + '"}', count=1)
        assert len(caller.send("GET", f"{server.url}/echo").payload["a"]) == limit - 9
        server.behave("echo", "answer", body='{"a": "' + "x" * (limit - 8) + '"}', count=1)
        with pytest.raises(ProviderProtocolError, match=r"answered with more than 2,097,152 bytes \(HTTP 200\)"):
            caller.send("GET", f"{server.url}/echo")
        # The rest of it is nobody's answer.
        assert caller.send("GET", f"{server.url}/echo?next").payload["path"] == "/echo?next"

    def test_that_never_ends_is_left(self, caller):
        def pour(connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            with suppress(ConnectionError):
                while True:
                    connection.sendall(bytes(1 << 16))

        with listening(pour) as url, soon(), pytest.raises(ProviderProtocolError, match="answered with more than"):
            caller.send("GET", url)

    def test_of_an_error_may_be_long(self, server, caller):
        server.behave("submit", "error", body="x" * (caller.max_answer_bytes + 1))
        with pytest.raises(ProviderUnavailable, match=r"failed \(HTTP 500\)"):
            caller.send("POST", f"{server.url}/submit")


class TestCodes:
    """A provider's own codes go before the status."""

    @pytest.mark.parametrize("status", [200, 400, 500])
    def test_whatever_the_status(self, server, status):
        server.behave("submit", "answer", status=status, body='{"code": 409}')
        with pytest.raises(ProviderRefused, match=r"^no picture$"):
            CodedCaller("cloud").send("POST", f"{server.url}/submit")

    def test_and_their_headers(self, server):
        server.behave("submit", "answer", status=400, headers={"X-Wait-MS": "2500"}, body='{"code": "slow_down"}')
        with pytest.raises(ProviderThrottled) as caught:
            CodedCaller("cloud").send("POST", f"{server.url}/submit")
        assert caught.value.retry_after == 2.5

    @pytest.mark.parametrize("body", ['{"code": "unheard_of"}', "[409]", "<h1>Bad Gateway</h1>"])
    def test_that_are_unknown_leave_it_to_the_status(self, server, body):
        server.behave("submit", "answer", status=502, body=body)
        with pytest.raises(ProviderUnavailable, match=r"\(HTTP 502\)"):
            CodedCaller("cloud").send("POST", f"{server.url}/submit")


class TestSecrets:
    @pytest.mark.parametrize(
        ("behaviour", "options"),
        [
            ("ok", {}),
            ("refuse", {}),
            ("reset_before", {}),
            ("half", {}),
            ("stall", {}),
            ("drip_all", {"seconds": 0.1}),
            ("garbage", {}),
            ("error", {}),
            ("throttle", {}),
            ("answer", {"status": 401}),
            ("answer", {"status": 404}),
            ("answer", {"status": 302, "headers": {"Location": f"/echo?token={TOKEN}"}}),
            ("answer", {"body": "x" * 2_100_000}),
            # urllib3 warns of headers that it cannot parse, and names the URL.
            ("answer", {"headers": {"X-Odd: 1\r\nno header at all\r\nX-Even": "2"}}),
        ],
    )
    def test_are_in_no_message_and_no_log(self, server, caller, caplog, behaviour, options):
        caplog.set_level(logging.DEBUG)
        server.behave("echo", behaviour, **options)
        url = f"http://{TOKEN}:{TOKEN}@127.0.0.1:{server.port}/echo?Signature={TOKEN}"
        told = [repr(caller)]
        try:
            told.append(repr(caller.send("POST", url, headers={"X-Key": TOKEN}, json={"secret": TOKEN})))
        except ProviderError as error:
            logging.getLogger("django_imgmod").exception("work=failed error=%s", error)
            told += traceback.format_exception(error)
            # Some readers of errors show what led to them, whatever a traceback leaves out.
            told += [repr(error), repr(error.__context__), repr(error.__cause__)]
        assert "/echo" in caplog.text
        assert TOKEN not in "".join(told) + caplog.text

    def test_are_not_told_with_an_address_that_is_none(self, caller):
        for url in (f"{TOKEN}:{TOKEN}@cloud.example/?{TOKEN}", f"http://{TOKEN}@[::1/{TOKEN}", f"ftp://{TOKEN}@cloud/"):
            with pytest.raises(ImgmodConfigurationError) as caught:
                caller.send("GET", url)
            assert TOKEN not in "".join(traceback.format_exception(caught.value))

    def test_of_other_requests_are_not_ours_to_hide(self, server, caplog):
        caplog.set_level(logging.DEBUG)
        caller = Caller("cloud")
        caller.send("GET", f"{server.url}/echo?ours")
        requests.get(f"{server.url}/echo?theirs", timeout=SOON)
        assert "/echo?theirs" in caplog.text
        assert "ours" not in caplog.text


@pytest.mark.django_db
class TestRecord:
    @pytest.fixture
    def upload(self, settings: Any, server: FaultServer, picture: Any, django_capture_on_commit_callbacks: Any) -> Any:
        options = {"url": server.url, "timeout": 0.3, "deadline": 0.6, "sends_content": True}
        backend = "tests.faults.provider.LoopbackProvider"
        settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": {"BACKEND": backend, "OPTIONS": options}}}

        def save() -> ModerationRecord:
            with django_capture_on_commit_callbacks(execute=True):
                Photo.objects.create(image=picture())
            return ModerationRecord.objects.get()

        return save

    @pytest.mark.parametrize(
        ("level", "status"), [("high", Status.BLOCKED), ("medium", Status.IN_REVIEW), ("none", Status.PASSED)]
    )
    def test_is_settled_by_the_answer(self, upload, server, picture, level, status):
        sha256 = hashlib.sha256(picture().read()).hexdigest()
        server.verdicts[sha256] = level
        record = upload()
        assert (record.status, record.risk_level, record.error_code) == (status, level, "")
        assert server.counts("submit", "sha256") == {sha256: 1}
        assert server.counts("submit", "data_id") == {str(record.public_id): 1}

    @pytest.mark.parametrize("behaviour", ["reset_after", "half", "stall", "drip", "error"])
    def test_waits_when_there_is_no_answer(self, upload, server, behaviour):
        server.behave("submit", behaviour)
        record = upload()
        assert (record.status, record.error_code) == (Status.PENDING, ErrorCode.UNAVAILABLE)
        assert record.due_at > timezone.now()

    def test_waits_as_long_as_it_is_told(self, upload, server):
        server.behave("submit", "throttle", headers={"Retry-After": "1800"})
        record = upload()
        assert (record.status, record.error_code) == (Status.PENDING, ErrorCode.THROTTLED)
        assert record.due_at > timezone.now() + timedelta(seconds=1700)

    @pytest.mark.parametrize("behaviour", ["garbage", "gone", "answer"])
    def test_goes_before_a_person_when_the_answer_is_not_understood(self, upload, server, behaviour):
        server.behave("submit", behaviour)
        record = upload()
        assert (record.status, record.error_code) == (Status.IN_REVIEW, ErrorCode.PROTOCOL)
