"""What goes over the wire: a request as it arrived, answers, and the error bodies of the gateway."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote_plus

# Over every limit on pictures, so that one which is too large is refused for that.
MAX_BODY_BYTES: Final = 64 * 1024 * 1024
MAX_PARAMETERS: Final = 1000

Pairs = tuple[tuple[str, str | None], ...]
"""Names and values as they were before encoding; the value of a name without ``=`` is None."""


class Refusal(Exception):
    """
    The gateway, or the bucket, does not let a request through.

    ``code`` and the message are the answer's. ``retry_after`` is in milliseconds, as in ``x-acs-retry-after``.
    """

    def __init__(self, code: str, message: str, *, status: int | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.http_status = status or _STATUSES.get(code, HTTPStatus.BAD_REQUEST)
        self.retry_after = retry_after


class ServiceFailure(Exception):
    """The service behind the gateway says no: a code of its own, which is a number."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


# Every other one is 400. Source: the tables of codes in the documentation of the gateway's other products.
_STATUSES: Final[Mapping[str, int]] = {
    "InvalidApi.NotFound": 404,
    "InvalidAccessKeyId.NotFound": 404,
    "Forbidden": 403,
    "Forbidden.RAM": 403,
    "RequestEntityTooLarge": 413,
    "InternalError": 500,
    "ServiceUnavailable": 503,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """A request as it arrived: decoded, and not yet believed. Its repr shows nothing that could be a secret."""

    method: str

    path: str
    """Decoded, so that ``%2F`` is a slash."""

    query: Pairs = field(default=(), repr=False)

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By names in lower case."""

    body: bytes = field(default=b"", repr=False)

    scheme: str = "http"

    @property
    def host(self) -> str:
        """Host and port as the client calls us."""
        return self.headers.get("host", "")

    @property
    def form(self) -> Pairs:
        """The body as the fields of a form, whatever it says it is."""
        return parse_pairs(_decoded(self.body, "body"))

    @property
    def is_form(self) -> bool:
        return self.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM


FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What goes back."""

    status: int = 200

    headers: Mapping[str, str] = field(default_factory=dict)
    """Without ``Content-Length``."""

    body: bytes = field(default=b"", repr=False)


def read_request(environ: Mapping[str, Any]) -> Request:
    """
    Read a request from a WSGI environment, its body too.

    Raises ``Refusal`` for what cannot be read: a length that is none, over ``MAX_BODY_BYTES`` or not reached, a query
    that is no UTF-8.
    """
    return Request(
        method=environ["REQUEST_METHOD"],
        path=_decoded((environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1"), "path"),
        query=parse_pairs(environ.get("QUERY_STRING", "")),
        headers=_read_headers(environ),
        body=_read_body(environ),
        scheme=environ.get("wsgi.url_scheme", "http"),
    )


def _read_headers(environ: Mapping[str, Any]) -> dict[str, str]:
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): _header_text(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.replace("_", "-").lower()] = _header_text(environ[name])
    return headers


def _header_text(value: str) -> str:
    try:
        return value.encode("latin-1").decode().strip()
    except UnicodeError:
        return value.strip()


def _read_body(environ: Mapping[str, Any]) -> bytes:
    given = environ.get("CONTENT_LENGTH") or "0"
    if not (given.isascii() and given.isdigit()):
        raise Refusal("InvalidParameter", "Content-Length is no number of bytes.")
    length = int(given)
    if length > MAX_BODY_BYTES:
        raise Refusal("RequestEntityTooLarge", f"The body has more than {MAX_BODY_BYTES:,} bytes.")
    body: bytes = environ["wsgi.input"].read(length) if length else b""
    if len(body) < length:
        raise Refusal("InvalidParameter", f"The body ends after {len(body):,} of {length:,} bytes.")
    return body


def parse_pairs(text: str) -> Pairs:
    """Return the pairs of a query or a form, in its order. Raises ``Refusal`` for what is no UTF-8, or no end of it."""
    parts = [part for part in text.split("&") if part]
    if len(parts) > MAX_PARAMETERS:
        raise Refusal("InvalidParameter", f"There are more than {MAX_PARAMETERS} parameters.")
    pairs = []
    for part in parts:
        name, has_value, value = part.partition("=")
        try:
            pairs.append(
                (unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict") if has_value else None)
            )
        except UnicodeDecodeError as error:
            raise Refusal("InvalidParameter", "A parameter is not encoded in UTF-8.") from error
    return tuple(pairs)


def filled_pairs(pairs: Pairs) -> list[tuple[str, str]]:
    """Return the pairs as those see them for whom no value and an empty one are the same."""
    return [(name, value or "") for name, value in pairs]


def filled(pairs: Pairs) -> dict[str, str]:
    """Return the parameters by name, the last one of each."""
    return dict(filled_pairs(pairs))


def _decoded(content: bytes, what: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise Refusal("InvalidParameter", f"The {what} is not encoded in UTF-8.") from error


def new_request_id() -> str:
    """Return a request id in the provider's form."""
    return str(uuid.uuid4()).upper()


def json_answer(payload: Mapping[str, Any], *, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer that is a JSON object, never an empty one: that would break the SDK of 2.0."""
    if not payload:
        raise ValueError("An answer must not be empty.")
    return Answer(
        status=status,
        headers={"Content-Type": "application/json;charset=utf-8", **(headers or {})},
        body=json.dumps(payload, ensure_ascii=False).encode(errors="backslashreplace"),
    )


def gateway_answer(refusal: Refusal, *, host: str = "") -> Answer:
    """Return the gateway's error body. Its names are capitalised: of others, the SDK of v1 loses the code."""
    payload = {
        "RequestId": new_request_id(),
        "HostId": host or "emulator",
        "Code": refusal.code,
        "Message": refusal.message,
    }
    hint = {} if refusal.retry_after is None else {"x-acs-retry-after": str(refusal.retry_after)}
    return json_answer(payload, status=refusal.http_status, headers=hint)
