"""What providers spoken to over HTTP have in common: subclass ``HttpProvider`` and call ``send``."""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

import requests
from django.utils.http import parse_http_date_safe
from urllib3 import exceptions
from urllib3.util import Timeout

from ..choices import ErrorCode
from ..exceptions import (
    ImgmodConfigurationError,
    ProviderAuthError,
    ProviderError,
    ProviderProtocolError,
    ProviderRefused,
    ProviderThrottled,
    ProviderUnavailable,
)
from .base import BaseProvider
from .strictjson import parsed
from .transport import Session, exchange

# Well under the lease of a record: a second worker must not begin while the first one still waits.
MAX_SECONDS: Final = 120.0
MAX_RETRY_AFTER: Final = 3600.0
CHUNK_BYTES: Final = 64 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What came back. Its repr shows the status alone: the rest may hold credentials and signed URLs."""

    status: int

    headers: Mapping[str, str] = field(repr=False)
    """Looked up whatever their case."""

    payload: Mapping[str, Any] = field(repr=False)
    """The JSON object; empty where an error came without one."""


class HttpProvider(BaseProvider):
    """
    Abstract base of providers in the cloud.

    OPTIONS, in seconds: ``connect_timeout`` (default 5), ``timeout`` (10: the longest silence while an answer is
    waited for), ``deadline`` (30: for the whole exchange, however slowly bytes come and go). Only the look-up of the
    host's name is left to the system's own limit.

    Connections are kept alive, in one session an instance. Nothing is repeated, that is for the services to do. Proxies
    and certificates are what the environment says when a host is asked for the first time; a ``.netrc`` is not read.
    """

    max_answer_bytes: int = 2 * 1024 * 1024
    """A longer answer is not read to its end."""

    def __init__(
        self,
        alias: str,
        *,
        connect_timeout: float = 5,
        timeout: float = 10,
        deadline: float = 30,
        **options: object,
    ) -> None:
        super().__init__(alias, **options)
        self.connect_timeout = _parse_seconds(alias, "connect_timeout", connect_timeout)
        self.timeout = _parse_seconds(alias, "timeout", timeout)
        self.deadline = _parse_seconds(alias, "deadline", deadline)
        self._session: Session | None = None
        self._session_pid = 0

    @property
    def session(self) -> Session:
        """The connections of this instance in this process."""
        # Two processes that shared a connection after a fork would read each other's answers.
        if self._session is None or self._session_pid != os.getpid():
            self._session, self._session_pid = Session(), os.getpid()
        return self._session

    def send(
        self,
        method: str,
        url: str,
        *,
        params: Any = None,
        headers: Mapping[str, str] | None = None,
        data: Any = None,
        json: Any = None,
        files: Any = None,
        wants_json: bool = True,
    ) -> Answer:
        """
        Send one request, its parts as requests takes them, and return the answer: a JSON object with a status of 2xx.

        Without ``wants_json`` the status alone counts, and no body is read as anything.

        Raises ``ProviderError`` for every other answer and for none, ``ImgmodConfigurationError`` for a request that
        cannot be sent at all. Their messages name alias, host and path, and no query, header or body.
        """
        parts = {"params": params, "headers": headers, "data": data, "json": json, "files": files}
        ends_at = time.monotonic() + self.deadline
        try:
            with exchange(ends_at, before=self._before_sending):
                status, answer_headers, body = self._exchange(method, url, parts)
        except (OSError, exceptions.HTTPError) as error:
            failure = self._failure(url, error, is_over=time.monotonic() >= ends_at)
        else:
            return self._answer(url, status, answer_headers, body if wants_json else b"{}")
        # Here and not in the handler: the errors of requests print the whole URL, so this one must not lead to them.
        raise failure

    def error_of(self, answer: Answer) -> ProviderError | None:
        """
        Return the error that an answer stands for, None to leave it to the status.

        Overridden where errors have codes of their own. Asked about every answer, whatever its status, but for a
        success that should be a JSON object and is none.
        """
        return None

    def _exchange(self, method: str, url: str, parts: Mapping[str, Any]) -> tuple[int, Mapping[str, str], bytes | None]:
        """Return status, headers and body; no body where it is too long."""
        timeout = Timeout(connect=min(self.connect_timeout, self.deadline), read=self.timeout)
        body = bytearray()
        with self.session.ask(method, url, timeout, parts) as response:
            # urllib3 1 takes half an answer for a whole one unless it is told.
            response.enforce_content_length = True
            # As it is on the wire: no compression was asked for, and a small answer cannot unpack into a large one.
            for chunk in response.stream(CHUNK_BYTES, decode_content=False):
                body += chunk
                if len(body) > self.max_answer_bytes:
                    return response.status, response.headers, None
        return response.status, response.headers, bytes(body)

    def _failure(self, url: str, error: Exception, *, is_over: bool) -> ProviderUnavailable | ImgmodConfigurationError:
        """Return our error for one of requests, quoting of that only what cannot hold a URL."""
        chain = list(_chain(error))
        # Those of requests are OSErrors as well, but not in the system's words.
        of_system = [
            link for link in chain if isinstance(link, OSError) and not isinstance(link, requests.RequestException)
        ]
        detail = next((link.strerror for link in reversed(of_system) if link.strerror), type(chain[-1]).__name__)
        if isinstance(error, ValueError):
            return ImgmodConfigurationError(
                f"{self._where(url)} cannot be sent such a request ({detail}). Check its address and credentials."
            )
        if is_over:
            return ProviderUnavailable(f"{self._where(url)} gave no whole answer in {self.deadline:g} s.")
        words = next(
            (words for kind, words in _FAILURES if any(isinstance(link, kind) for link in chain)),
            "could not be asked",
        )
        return ProviderUnavailable(f"{self._where(url)} {words.format_map(vars(self))} ({detail}).")

    def _answer(self, url: str, status: int, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """Return what was received as an answer, or raise the error that it stands for."""
        payload = None if body is None else _parse_object(body)
        is_success = 200 <= status < 300
        if is_success and payload is None:
            what = f"more than {self.max_answer_bytes:,} bytes" if body is None else "something that is no JSON object"
            raise ProviderProtocolError(f"{self._where(url)} answered with {what} (HTTP {status}).")
        answer = Answer(status=status, headers=headers, payload=payload or {})
        if error := self.error_of(answer):
            raise error
        if is_success:
            return answer
        # An outage that names an end is a matter of too many requests.
        trouble = _trouble_of(429 if status == 503 and "Retry-After" in headers else status)
        location = _address(headers.get("Location", ""))[0] or _address(url)[0]
        raise trouble.error(
            f"{self._where(url)} {trouble.words.format(location=location)} (HTTP {status}). {trouble.advice}".rstrip(),
            code=trouble.code,
            retry_after=parse_retry_after(headers.get("Retry-After", "")),
        )

    def _where(self, url: str) -> str:
        return f'Provider "{self.alias}" ({"".join(_address(url)) or "no address"})'


class _Trouble(NamedTuple):
    error: type[ProviderError]
    words: str
    advice: str = ""
    code: ErrorCode | None = None


_OUTAGE: Final = _Trouble(ProviderUnavailable, "failed")

# By status, else by its first digit.
_TROUBLES: Final[Mapping[int, _Trouble]] = {
    401: _Trouble(ProviderAuthError, "refused the credentials", "Check those in its OPTIONS or in the environment."),
    402: _Trouble(ProviderAuthError, "wants to be paid", "Look into the account."),
    403: _Trouble(ProviderAuthError, "forbade it", "Check what the account may do, and whether it is paid."),
    408: _OUTAGE,
    413: _Trouble(ProviderRefused, "found the picture too large", code=ErrorCode.TOO_LARGE),
    429: _Trouble(ProviderThrottled, "asked for fewer requests"),
    3: _Trouble(ProviderProtocolError, "wants the request sent to {location}", "Check the address in its OPTIONS."),
    4: _Trouble(
        ProviderProtocolError,
        "did not take the request",
        "That says nothing about the picture: check the address in its OPTIONS.",
    ),
    5: _OUTAGE,
}
_STRANGE: Final = _Trouble(ProviderProtocolError, "answered with a status that means nothing here")


def _trouble_of(status: int) -> _Trouble:
    return _TROUBLES.get(status) or _TROUBLES.get(status // 100, _STRANGE)


# What an error of requests was caused by; the first row that fits. After the first four nothing has been sent.
_FAILURES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (exceptions.ProxyError, "cannot be reached through the proxy that the environment names"),
    (exceptions.SSLError, "offers no TLS connection that can be trusted"),
    (exceptions.NewConnectionError, "cannot be reached"),
    (exceptions.ConnectTimeoutError, "accepted no connection in {connect_timeout:g} s"),
    (exceptions.ReadTimeoutError, "was silent for {timeout:g} s; whether it took the request is not known"),
    (exceptions.ProtocolError, "broke off the connection"),
)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _address(url: str) -> tuple[str, str]:
    """Return host and path, which is what may be shown of a URL; both empty where it names no host."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", ""
    if not parts.netloc:
        return "", ""
    return parts.netloc.rpartition("@")[2][:255], parts.path[:255]


def _parse_object(body: bytes) -> dict[str, Any] | None:
    try:
        value = parsed(body)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def parse_retry_after(given: str) -> float | None:
    """Return the seconds until the time that is asked for, an hour at most; None where it is no time to come."""
    try:
        seconds = float(given)
    except ValueError:
        date = parse_http_date_safe(given)
        seconds = math.nan if date is None else date - time.time()
    return min(seconds, MAX_RETRY_AFTER) if seconds >= 0 else None


def _parse_seconds(alias: str, name: str, given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 < given <= MAX_SECONDS:
        raise ImgmodConfigurationError(
            f'Provider "{alias}": OPTIONS["{name}"] must be a number of seconds, over 0 and at most {MAX_SECONDS:g}, '
            f"not {given!r}."
        )
    return float(given)
