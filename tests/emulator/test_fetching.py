from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_imgmod.emulator.fetching import FetchError, fetch, post_form

from .listening import Listener, blurting, listening


@pytest.fixture
def listener() -> Iterator[Listener]:
    with listening() as listener:
        yield listener


def failure(url: str, *allowed: str, **options: Any) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetch(url, allowed, **options)
    return caught.value


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Let every name stand for these addresses."""

    def found(host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", found)


def test_bytes_from_this_machine(listener):
    listener.answer(body=b"\x00\xff picture")
    assert fetch(f"{listener.url}/a/b.png?x=1&y=a+b") == b"\x00\xff picture"
    arrival = listener.next()
    assert (arrival.method, arrival.path) == ("GET", "/a/b.png?x=1&y=a+b")
    assert arrival.headers["host"] == listener.url.removeprefix("http://")
    assert arrival.headers["user-agent"].startswith("django-imgmod-emulator/")
    assert "referer" not in arrival.headers


def test_referer_is_sent_where_there_is_one(listener):
    fetch(listener.url, referer="www.example.com")
    assert listener.next().headers["referer"] == "www.example.com"


@pytest.mark.parametrize(
    ("referer", "sent"),
    [
        ("https://site.example/a%20b?x=1#[y]", "https://site.example/a%20b?x=1#[y]"),
        ("a b", "a b"),
        ("图", "%E5%9B%BE"),
        ("a\r\nX-Other: 1", "a%0D%0AX-Other: 1"),
    ],
)
def test_referer_is_one_header_whatever_is_in_it(listener, referer, sent):
    fetch(listener.url, referer=referer)
    headers = listener.next().headers
    assert headers["referer"] == sent
    assert "x-other" not in headers


@pytest.mark.parametrize(
    ("given_path", "path"),
    [
        ("", "/"),
        ("/图片 空格.jpg", "/%E5%9B%BE%E7%89%87%20%E7%A9%BA%E6%A0%BC.jpg"),
        ("/a%20b/%E5%9B%BE.png?sig=~*%2F==", "/a%20b/%E5%9B%BE.png?sig=~*%2F=="),
        ("/a#fragment", "/a"),
    ],
)
def test_what_is_not_encoded_is_encoded_and_the_rest_left_alone(listener, given_path, path):
    fetch(listener.url + given_path)
    assert listener.next().path == path


def test_localhost_is_this_machine_whichever_address_listens(listener):
    listener.answer(body=b"picture")
    assert fetch(listener.url.replace("127.0.0.1", "localhost")) == b"picture"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/a.png",
        "file:///etc/passwd",
        "//127.0.0.1/a.png",
        "127.0.0.1/a.png",
        "http:///a.png",
        "http://user:password@127.0.0.1/a.png",
        "http://[::1/a.png",
        "http://127.0.0.1:99999/a.png",
        "http://127.0.0.1/\ud800",
        "http://127.0.0.1/" + "a" * 2048,
        "",
    ],
)
def test_what_is_no_acceptable_url(url):
    assert failure(url).kind == "not_allowed"


ELSEWHERE = ["10.0.0.1", "192.168.1.1", "8.8.8.8", "169.254.169.254", "0.0.0.0", "::", "fe80::1%lo", "::ffff:10.0.0.1"]  # noqa: S104


@pytest.mark.parametrize(
    "host",
    [
        "photos.example",
        "localhost.photos.example",
        "127.0.0.1.photos.example",
        # A resolver would take each of these for 127.0.0.1.
        "127.1",
        "0x7f000001",
        "2130706433",
        *(f"[{address}]" if ":" in address else address for address in ELSEWHERE),
    ],
)
def test_host_that_is_not_allowed_is_refused_before_any_resolver_hears_of_it(monkeypatch, host):
    asked: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: asked.append(args) or 1 / 0)
    error = failure(f"http://{host}/a.png?signature=secret", "other.example", "localhost.example")
    assert error.kind == "not_allowed"
    assert host.strip("[]") in str(error)
    assert "secret" not in str(error)
    assert asked == []


@pytest.mark.parametrize("address", ELSEWHERE)
def test_name_of_this_machine_that_leads_elsewhere_is_refused(monkeypatch, address):
    resolve_to(monkeypatch, address)
    assert failure("http://localhost/a.png").kind == "not_allowed"


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "localhost."])
@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "127.8.9.10", "::ffff:127.0.0.1"])
def test_name_of_this_machine_is_connected_to_where_it_leads(monkeypatch, name, address):
    resolve_to(monkeypatch, address)
    connected: list[Any] = []
    monkeypatch.setattr(socket, "create_connection", lambda place, timeout: connected.append(place) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fetch(f"http://{name}:8123/a.png")
    assert connected == [(address, 8123)]


def test_connection_goes_to_the_address_that_was_checked(monkeypatch, listener):
    """Another answer of the resolver a moment later changes nothing, and the host is still called by its name."""
    answers = iter(["127.0.0.1", "10.0.0.1"])
    resolve = socket.getaddrinfo

    def found(host: str, *args: Any, **kwargs: Any) -> Any:
        return resolve(next(answers) if host == "photos.example" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    fetch(listener.url.replace("127.0.0.1", "photos.example"), ["photos.example"])
    assert listener.next().headers["host"].startswith("photos.example:")
    assert next(answers) == "10.0.0.1"


def test_of_several_addresses_only_this_machine_is_connected_to(monkeypatch):
    resolve_to(monkeypatch, "10.0.0.1", "127.0.0.1")
    connected: list[Any] = []
    monkeypatch.setattr(socket, "create_connection", lambda place, timeout: connected.append(place[0]) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fetch("http://localhost/")
    assert connected == ["127.0.0.1"]


@pytest.mark.parametrize("name", ["photos.example", "PHOTOS.example", "photos.example."])
def test_listed_host_may_be_anywhere(monkeypatch, name):
    resolve_to(monkeypatch, "10.0.0.1")
    monkeypatch.setattr(socket, "create_connection", lambda place, timeout: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        fetch("http://photos.example/a.png", {name})
    assert failure("http://other.example/a.png", name).kind == "not_allowed"
    assert failure("http://a.photos.example/a.png", name).kind == "not_allowed"


@pytest.mark.parametrize("address", ["169.254.169.254", "0.0.0.0", "224.0.0.1"])  # noqa: S104
def test_listed_name_that_leads_to_the_metadata_of_a_cloud_is_refused(monkeypatch, address):
    resolve_to(monkeypatch, address)
    assert failure("http://photos.example/a.png", "photos.example").kind == "not_allowed"


def test_name_that_nobody_knows(monkeypatch):
    def unknown(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    error = failure("http://photos.example/a.png", "photos.example")
    assert (error.kind, "photos.example" in str(error)) == ("failed", True)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_redirections_are_not_followed(listener, status):
    listener.answer(status, Location=f"{listener.url}/there")
    assert failure(listener.url).kind == "not_allowed"
    listener.next()
    assert listener.is_quiet


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "forbidden"),
        (403, "forbidden"),
        (404, "not_found"),
        (410, "not_found"),
        (408, "timed_out"),
        (504, "timed_out"),
        (413, "too_large"),
        (500, "failed"),
        (206, "failed"),
        (204, "failed"),
    ],
)
def test_status_has_its_kind(listener, status, kind):
    listener.answer(status)
    error = failure(f"{listener.url}/a.png?signature=secret")
    assert error.kind == kind
    assert str(status) in str(error)
    assert "secret" not in str(error)


def test_bytes_are_counted(listener):
    listener.answer(body=b"x" * 1000)
    assert len(fetch(listener.url, max_bytes=1000)) == 1000
    listener.answer(body=b"x" * 1001)
    assert failure(listener.url, max_bytes=1000).kind == "too_large"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"400\r\n" + b"x" * 1024 + b"\r\n0\r\n\r\n",
    ],
)
def test_bytes_are_counted_where_none_were_announced(answer):
    with blurting(answer) as url:
        assert failure(url, max_bytes=1000).kind == "too_large"
        assert len(fetch(url, max_bytes=5000)) > 1000


def test_announced_length_is_believed_before_anything_is_read():
    with blurting(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", is_hanging=True) as url:
        assert failure(url).kind == "too_large"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\x01\x02 what",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\nhalf",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
    ],
    ids=["nothing", "noise", "no status", "half", "half a chunk", "too many headers"],
)
def test_half_answers_and_noise(answer):
    with blurting(answer) as url:
        assert failure(url).kind == "failed"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
    ],
    ids=["before the status", "in the headers", "in the body", "in a body without length"],
)
def test_drip_ends_in_time(answer):
    with blurting(answer, is_hanging=True) as url:
        error = failure(url, timeout=0.2)
    assert error.kind == "timed_out"
    assert "0.2 seconds" in str(error)


def test_nobody_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert failure(f"http://127.0.0.1:{port}/a.png").kind == "failed"


def test_no_encryption_where_it_was_expected(listener):
    assert failure(listener.url.replace("http:", "https:")).kind == "failed"


def test_proxies_of_the_environment_are_not_used(listener, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    listener.answer(body=b"picture")
    assert fetch(listener.url) == b"picture"


@given(
    st.text(max_size=60), st.sampled_from(["", "http://", "https://", "http://127.0.0.1:1/", "http://[", "http://a@"])
)
def test_any_text_is_fetched_or_refused(text, start):
    with pytest.MonkeyPatch.context() as patch:
        resolve_to(patch, "10.0.0.1")
        assert failure(start + text, timeout=2).kind in ("not_allowed", "failed")


def test_form_is_posted_as_it_is(listener):
    listener.answer(204)
    fields = {"checksum": "ab", "content": '{"dataId":"数据-1","x":"a&b=c+d %20"}'}
    assert post_form(f"{listener.url}/callback/?src=green", fields) == 204
    arrival = listener.next()
    assert (arrival.method, arrival.path) == ("POST", "/callback/?src=green")
    assert arrival.headers["content-type"].startswith("application/x-www-form-urlencoded")
    assert arrival.form == fields


def test_form_goes_nowhere_else(monkeypatch):
    resolve_to(monkeypatch, "10.0.0.1")
    with pytest.raises(FetchError) as caught:
        post_form("http://site.example/", {"content": "x"})
    assert caught.value.kind == "not_allowed"
