"""
What the emulator asks of others: pictures by their URL, and callbacks.

It must not be a way into anybody's network: it connects to this machine, and to hosts that it was told about. A name is
looked for among these before any resolver hears of it; then what it resolves to is checked, and the connection goes to
the address that was checked.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, Literal
from urllib.parse import quote, urlencode, urlsplit

from django_imgmod import __version__

FetchFailure = Literal["not_allowed", "forbidden", "not_found", "timed_out", "too_large", "failed"]

# Of both generations, for a picture: what the provider gives a download. Source: the limits in the documentation.
TIMEOUT_SECONDS: Final = 3.0
MAX_BYTES: Final = 20 * 1024 * 1024
MAX_URL_LENGTH: Final = 2048

_FAILURES: Final[dict[int, FetchFailure]] = {
    HTTPStatus.UNAUTHORIZED: "forbidden",
    HTTPStatus.FORBIDDEN: "forbidden",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.GONE: "not_found",
    HTTPStatus.REQUEST_TIMEOUT: "timed_out",
    HTTPStatus.GATEWAY_TIMEOUT: "timed_out",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "too_large",
}
_PORTS: Final = {"http": http.client.HTTP_PORT, "https": http.client.HTTPS_PORT}
# What is not to be encoded, or is already.
_SAFE: Final = "/%:@!$&'()*+,;=~-._?"
_SAFE_IN_HEADER: Final = f"{_SAFE} #[]"
_PORTION: Final = 64 * 1024
_HEADERS: Final = {"Accept-Encoding": "identity", "User-Agent": f"django-imgmod-emulator/{__version__}"}

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class FetchError(Exception):
    """
    Nothing usable came back. ``kind`` says why, in one of these words.

    | kind        | means                                                                         |
    |-------------|-------------------------------------------------------------------------------|
    | not_allowed | no URL, not HTTP, a host that is neither here nor allowed, or a redirection   |
    | forbidden   | the host answered 401 or 403                                                  |
    | not_found   | the host answered 404 or 410                                                  |
    | timed_out   | it took too long                                                              |
    | too_large   | there are too many bytes                                                      |
    | failed      | no connection, another status, half an answer                                 |

    The message names the host, never a query: that may be a signature.
    """

    def __init__(self, kind: FetchFailure, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def fetch(
    url: str,
    allowed_hosts: Collection[str] = (),
    *,
    timeout: float = TIMEOUT_SECONDS,
    max_bytes: int = MAX_BYTES,
    referer: str = "",
) -> bytes:
    """
    Return what lies at a URL, after at most ``timeout`` seconds in all and as at most ``max_bytes``.

    ``allowed_hosts`` are names or addresses, without a port; this machine always is one, by an address or as
    ``localhost``. ``referer`` is sent as the header of that name, percent-encoded where it has to be. Raises
    ``FetchError``.
    """
    headers = {"Referer": quote(referer, _SAFE_IN_HEADER)} if referer else {}
    where = _place(url)
    with _exchange("GET", where, allowed_hosts, timeout=timeout, headers=headers) as answer:
        if answer.status != HTTPStatus.OK:
            raise FetchError(_kind_of(answer.status), f"{where} answered with status {answer.status}.")
        length = answer.length
        # One more than allowed shows that there is more.
        content = b"" if length is not None and length > max_bytes else _read(answer, max_bytes + 1)
        if len(content) > max_bytes or (length or 0) > max_bytes:
            raise FetchError("too_large", f"{where} sends more than {max_bytes:,} bytes.")
        if length is not None and len(content) < length:
            raise FetchError("failed", f"{where} sent {len(content):,} of {length:,} bytes.")
        return content


def post_form(url: str, fields: dict[str, str], allowed_hosts: Collection[str] = (), *, timeout: float = 10.0) -> int:
    """Post the fields of a form in UTF-8 and return the status of the answer. Raises ``FetchError``."""
    body = urlencode(fields).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    with _exchange("POST", _place(url), allowed_hosts, timeout=timeout, headers=headers, body=body) as answer:
        return answer.status


@dataclass(frozen=True, slots=True)
class _Place:
    scheme: str
    host: str
    port: int
    target: str

    def __str__(self) -> str:
        """What may be said of it: the rest of a URL may be a signature."""
        return f"{self.host}:{self.port}"


def _place(url: str) -> _Place:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
        target = quote(parts.path or "/", _SAFE) + (f"?{quote(parts.query, _SAFE)}" if parts.query else "")
    except ValueError as error:
        raise FetchError("not_allowed", "This is no URL.") from error
    if parts.scheme not in _PORTS or not host or parts.username is not None:
        raise FetchError("not_allowed", "A URL must begin with http:// or https://, and name a host and no user.")
    if len(url) > MAX_URL_LENGTH:
        raise FetchError("not_allowed", f"A URL may have {MAX_URL_LENGTH:,} characters; this has {len(url):,}.")
    return _Place(parts.scheme, host.rstrip("."), port or _PORTS[parts.scheme], target)


def _addresses(place: _Place, allowed_hosts: Collection[str]) -> list[str]:
    """Return the addresses that one may connect to, in the resolver's order. Raises ``FetchError``."""
    is_listed = place.host.lower() in {host.lower().rstrip(".") for host in allowed_hosts}
    # A question to the resolver leaves this machine, and its name may be a message.
    if not (is_listed or _is_here(place.host)):
        raise _not_allowed(place)
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:
        raise FetchError("failed", f'The host "{place.host}" is not known.') from error
    addresses = [str(address[0]) for *_, address in found]
    if allowed := [address for address in addresses if _may_connect(address, is_listed, place.host)]:
        return allowed
    raise _not_allowed(place)


def _not_allowed(place: _Place) -> FetchError:
    return FetchError(
        "not_allowed",
        f'The emulator connects to this machine alone, not to "{place.host}". '
        "Name the host with --allow-host where it is to be reached.",
    )


def _is_here(host: str) -> bool:
    """Return whether a host is this machine by its very name, so that nobody has to be asked."""
    try:
        return _address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _may_connect(text: str, is_listed: bool, host: str) -> bool:
    address = _address(text)
    if address.is_loopback:
        return True
    # A listed name that resolves to where clouds keep their credentials has been turned against us.
    is_odd = address.is_link_local or address.is_multicast or address.is_unspecified
    return is_listed and (not is_odd or text == host)


def _address(text: str) -> Address:
    # A scope belongs to link-local addresses.
    address: Address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


class _Connection(http.client.HTTPConnection):
    """Connects to the address that was checked, whatever the name resolves to by now."""

    def __init__(self, place: _Place, addresses: list[str], ends_at: float) -> None:
        # Read by the base class, for the header Host.
        self.default_port = _PORTS[place.scheme]
        super().__init__(place.host, place.port)
        self._addresses = addresses
        self._ends_at = ends_at
        self._is_encrypted = place.scheme == "https"
        # The base class lets go of its own at once where the other side is to close the connection.
        self._connected: socket.socket | None = None

    def connect(self) -> None:
        self.sock = self._first_that_answers()
        if self._is_encrypted:
            self.sock = ssl.create_default_context().wrap_socket(self.sock, server_hostname=self.host)
        self.sock.settimeout(self._left())
        self._connected = self.sock

    def _first_that_answers(self) -> socket.socket:
        # "localhost" is two addresses, and a server may listen at one of them.
        *others, last = self._addresses
        for address in others:
            with suppress(OSError):
                return socket.create_connection((address, self.port), self._left())
        return socket.create_connection((last, self.port), self._left())

    def _left(self) -> float:
        if (left := self._ends_at - time.monotonic()) <= 0:
            raise TimeoutError
        return left

    def cut(self) -> None:
        """Break off whatever is under way, from another thread."""
        if self._connected is not None:
            with suppress(OSError):
                self._connected.shutdown(socket.SHUT_RDWR)


@contextmanager
def _exchange(
    method: str,
    place: _Place,
    allowed_hosts: Collection[str],
    *,
    timeout: float,
    headers: dict[str, str],
    body: bytes | None = None,
) -> Iterator[http.client.HTTPResponse]:
    ends_at = time.monotonic() + timeout
    addresses = _addresses(place, allowed_hosts)
    try:
        with _guarded(_Connection(place, addresses, ends_at), timeout) as connection:
            connection.request(method, place.target, body=body, headers={**_HEADERS, **headers})
            with connection.getresponse() as answer:
                if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
                    raise FetchError("not_allowed", f"{place} answered with a redirection, and none is followed.")
                yield answer
    except (OSError, http.client.HTTPException, ValueError, FetchError) as error:
        if isinstance(error, TimeoutError) or time.monotonic() >= ends_at:
            raise _too_slow(place, timeout) from error
        if isinstance(error, FetchError):
            raise
        raise FetchError("failed", f"{place} gave no usable answer ({type(error).__name__}).") from error
    # Where no length was announced, what was cut off looks complete.
    if time.monotonic() >= ends_at:
        raise _too_slow(place, timeout)


@contextmanager
def _guarded(connection: _Connection, timeout: float) -> Iterator[_Connection]:
    """Break the exchange off at its end: a socket's own timeout is for one wait, and a drip would hold us for ever."""
    guard = threading.Timer(timeout, connection.cut)
    guard.daemon = True
    guard.start()
    try:
        yield connection
    finally:
        guard.cancel()
        connection.close()


def _too_slow(place: _Place, timeout: float) -> FetchError:
    return FetchError("timed_out", f"{place} took longer than {timeout:g} seconds.")


def _read(answer: http.client.HTTPResponse, most: int) -> bytes:
    portions = []
    while most > 0 and (portion := answer.read(min(_PORTION, most))):
        portions.append(portion)
        most -= len(portion)
    return b"".join(portions)


def _kind_of(status: int) -> FetchFailure:
    return _FAILURES.get(status, "failed")
