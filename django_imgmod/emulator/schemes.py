"""
The ways in which a request can say who sends it: what it claims, and what its signature would have to be.

Those of uploads are in ``oss``.

| scheme | of                                 | the claim is in                              |
|--------|------------------------------------|----------------------------------------------|
| ROA    | Green, 2018-05-09                  | ``Authorization: acs``                       |
| ACS3   | Image Moderation 2.0, 2022-03-02   | ``Authorization: ACS3-HMAC-SHA256``          |
| RPC    | older clients of 2.0               | the query                                    |
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple, Protocol

from django.utils.http import parse_http_date

from ..providers.alibaba import signing
from .wire import Pairs, Refusal, Request, filled, filled_pairs


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """Who a request says it is from, before any of it is believed."""

    key_id: str
    signature: str = field(repr=False)

    date: str
    """As it was sent; empty where none was."""

    token: str = field(default="", repr=False)
    """The security token; empty where none was sent."""

    nonce: str = ""

    names: tuple[str, ...] = ()
    """Of headers that the claim says are signed, where the scheme lets the client choose."""

    region: str = ""
    """That a signature of OSS V4 holds for."""


class Expected(NamedTuple):
    """What the right signature is."""

    signature: str

    signed: str
    """The text that it is the signature of."""


class Scheme(Protocol):
    """One way to sign."""

    def read_claim(self, request: Request) -> Claim:
        """Return the claim; ``Refusal`` where it is missing or not well formed."""

    def read_date(self, date: str) -> datetime:
        """Return a claim's date, aware; ``ValueError`` for what is none."""

    def check_body(self, request: Request) -> None:
        """Raise ``Refusal`` where the body is not the one that its digest in a header is of."""

    def expect(self, request: Request, claim: Claim, secret: str) -> Expected:
        """Compute the signature of what arrived."""


def is_same(given: str, expected: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode(), expected.encode())


def incomplete(message: str) -> Refusal:
    """Return the refusal of a claim that is missing or not well formed."""
    return Refusal("IncompleteSignature", message)


def _read_iso_date(date: str) -> datetime:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", date, re.ASCII):
        raise ValueError("not like 2023-03-14T06:29:50Z")
    return datetime.fromisoformat(date)


def read_http_date(date: str) -> datetime:
    """Return a date as HTTP writes it; ``ValueError`` for what is none."""
    return datetime.fromtimestamp(parse_http_date(date), UTC)


class Roa:
    """HMAC-SHA1 over method, some headers, all ``x-acs-`` headers, path and query. A nonce is optional."""

    def read_claim(self, request: Request) -> Claim:
        headers = request.headers
        given = re.fullmatch(r"acs ([^\s:]+):(\S+)", headers.get("authorization", ""))
        if given is None:
            raise incomplete('The request needs the header "Authorization: acs <AccessKeyId>:<signature>".')
        for name, value in (("x-acs-signature-method", "HMAC-SHA1"), ("x-acs-signature-version", "1.0")):
            if headers.get(name) != value:
                raise incomplete(f'The header {name} must be "{value}".')
        return Claim(
            key_id=given[1],
            signature=given[2],
            date=headers.get("date", ""),
            token=headers.get("x-acs-security-token", ""),
            nonce=headers.get("x-acs-signature-nonce", ""),
        )

    def read_date(self, date: str) -> datetime:
        return read_http_date(date)

    def check_body(self, request: Request) -> None:
        if not is_same(request.headers.get("content-md5", ""), signing.content_md5(request.body)):
            raise Refusal("ContentMD5NotMatched", "The header Content-MD5 is missing, or not that of the body.")

    def expect(self, request: Request, claim: Claim, secret: str) -> Expected:
        signed = signing.roa_string_to_sign(request.method, request.path, request.query, request.headers)
        return Expected(signing.roa_signature(secret, signed), signed)


# A header that is not signed can be changed on its way.
ACS3_NAMES: Final = frozenset(
    {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"}
)


class Acs3:
    """HMAC-SHA256 over method, path, query, the headers that the client chose, and the digest of the body."""

    _AUTHORIZATION: Final = re.compile(
        r"ACS3-HMAC-SHA256 Credential=([^\s,]+), ?SignedHeaders=([^\s,]+), ?Signature=([0-9a-f]{64})"
    )

    def read_claim(self, request: Request) -> Claim:
        headers = request.headers
        given = self._AUTHORIZATION.fullmatch(headers.get("authorization", ""))
        if given is None:
            raise incomplete(
                'The request needs the header "Authorization: ACS3-HMAC-SHA256 '
                'Credential=<AccessKeyId>,SignedHeaders=<names>,Signature=<hex>".'
            )
        names = tuple(given[2].split(";"))
        if list(names) != sorted({name.lower() for name in names}):
            raise incomplete("SignedHeaders must be different names in lower case, sorted.")
        needed = ACS3_NAMES | {"x-acs-security-token"} if "x-acs-security-token" in headers else ACS3_NAMES
        if unsigned := sorted(needed.difference(names)):
            raise incomplete(f"SignedHeaders must have {', '.join(unsigned)} too.")
        if missing := sorted(set(names).difference(headers)):
            raise incomplete(f"SignedHeaders names what the request does not have: {', '.join(missing)}.")
        return Claim(
            key_id=given[1],
            signature=given[3],
            date=headers["x-acs-date"],
            token=headers.get("x-acs-security-token", ""),
            nonce=_needed_nonce(headers["x-acs-signature-nonce"], "x-acs-signature-nonce"),
            names=names,
        )

    def read_date(self, date: str) -> datetime:
        return _read_iso_date(date)

    def check_body(self, request: Request) -> None:
        if not is_same(request.headers["x-acs-content-sha256"], signing.content_sha256(request.body)):
            raise Refusal("SignatureDoesNotMatch", "The header x-acs-content-sha256 is not that of: the body.")

    def expect(self, request: Request, claim: Claim, secret: str) -> Expected:
        canonical = signing.acs3_canonical_request(
            request.method,
            request.path,
            filled_pairs(request.query),
            request.headers,
            claim.names,
            request.headers["x-acs-content-sha256"],
        )
        return Expected(signing.acs3_signature(secret, signing.acs3_string_to_sign(canonical)), canonical)


class Rpc:
    """HMAC-SHA1 over all parameters, those of the query and those of the form."""

    def read_claim(self, request: Request) -> Claim:
        given = filled(request.query)
        for name, value in (("SignatureMethod", "HMAC-SHA1"), ("SignatureVersion", "1.0")):
            if given.get(name) != value:
                raise incomplete(f'The parameter {name} must be "{value}".')
        if missing := [name for name in ("AccessKeyId", "Signature") if not given.get(name)]:
            raise incomplete(f"The query needs {' and '.join(missing)}.")
        if _signature_count(request.query) > 1:
            raise incomplete("The query must have one Signature.")
        return Claim(
            key_id=given["AccessKeyId"],
            signature=given["Signature"],
            date=given.get("Timestamp", ""),
            token=given.get("SecurityToken", ""),
            nonce=_needed_nonce(given.get("SignatureNonce", ""), "SignatureNonce"),
        )

    def read_date(self, date: str) -> datetime:
        return _read_iso_date(date)

    def check_body(self, request: Request) -> None:
        # It is signed as parameters; of a body that is no form nothing would be.
        if request.body and not request.is_form:
            raise Refusal("SignatureDoesNotMatch", "A body must be a form: of any other one nothing is signed.")
        if _signature_count(request.form):
            raise Refusal("SignatureDoesNotMatch", "A Signature belongs into the query: in a form it is not signed.")

    def expect(self, request: Request, claim: Claim, secret: str) -> Expected:
        signed = signing.rpc_string_to_sign(request.method, [*filled_pairs(request.query), *filled_pairs(request.form)])
        return Expected(signing.rpc_signature(secret, signed), signed)


def _signature_count(pairs: Pairs) -> int:
    # It is the one parameter that a signature cannot be of.
    return sum(name == "Signature" for name, _ in pairs)


def _needed_nonce(nonce: str, name: str) -> str:
    if not nonce:
        raise incomplete(f"{name} must not be empty.")
    return nonce
