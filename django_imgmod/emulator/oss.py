"""
``PUT`` into a bucket, as OSS takes it: both signatures, both styles of address, errors in XML.

The schemes go through the same checks as the interfaces; only the names of the errors are others.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from ..providers.alibaba import signing
from .authentication import Authenticator, Clock
from .objects import Objects
from .schemes import Claim, Expected, incomplete, is_same, read_http_date
from .wire import Answer, Refusal, Request, filled_pairs, new_request_id


class Place(NamedTuple):
    """Where an object is."""

    bucket: str
    name: str


class Oss:
    """The server of the buckets."""

    def __init__(self, objects: Objects, clock: Clock, *, region: str = "") -> None:
        self._objects = objects
        self._authenticator = Authenticator(objects.keys, clock)
        self._region = region

    def admit(self, request: Request) -> Place:
        """Return where an authentic ``PUT`` may put its body. Raises ``Refusal``."""
        place = locate(request)
        is_v4 = request.headers.get("authorization", "").startswith(signing.OSS4)
        scheme = OssV4(place, self._region) if is_v4 else OssV1(place)
        key_id = self._authenticator.authenticate(request, scheme)
        if not self._objects.is_allowed(key_id, *place):
            raise Refusal("AccessDenied", "These credentials are not for this place.")
        return place

    def put(self, place: Place, content: bytes) -> Answer:
        """Keep an object, and say so."""
        self._objects.put(*place, content)
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest().upper()
        # No x-oss-hash-crc64ecma: the SDK would compare it with its own.
        return Answer(
            headers={"Content-Type": "application/xml", "ETag": f'"{etag}"', "x-oss-request-id": new_request_id()}
        )


def locate(request: Request) -> Place:
    """
    Return the place that host and path name; ``Refusal`` where they name none.

    The bucket is the first part of the host's name, or of the path where the host is an address, ``localhost`` or a
    name without dots: such hosts have no room for it.
    """
    host = urlsplit(f"//{request.host}").hostname or ""
    path = request.path.removeprefix("/")
    bucket, _, name = path.partition("/") if _is_bare(host) else (host.partition(".")[0], "", path)
    if not bucket or not name:
        raise Refusal("InvalidArgument", "The address names no bucket, or no object.")
    return Place(bucket, name)


def _is_bare(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "." not in host
    return True


@dataclass(frozen=True, slots=True)
class OssV1:
    """HMAC-SHA1 over method, some headers, all ``x-oss-`` headers, and the place."""

    place: Place

    def read_claim(self, request: Request) -> Claim:
        headers = request.headers
        given = re.fullmatch(r"OSS ([^\s:]+):(\S+)", headers.get("authorization", ""))
        if given is None:
            raise incomplete(
                'The request needs the header "Authorization: OSS <AccessKeyId>:<signature>", or that of V4.'
            )
        return Claim(
            key_id=given[1],
            signature=given[2],
            date=headers.get("date", ""),
            token=headers.get("x-oss-security-token", ""),
        )

    def read_date(self, date: str) -> datetime:
        return read_http_date(date)

    def check_body(self, request: Request) -> None:
        check_content_md5(request)

    def expect(self, request: Request, claim: Claim, secret: str) -> Expected:
        # Of a query only the names of operations are signed in V1. None of those is known here, so that all of it is.
        query = signing.canonical_query(filled_pairs(request.query))
        name = f"{self.place.name}?{query}" if query else self.place.name
        signed = signing.oss_v1_string_to_sign(request.method, self.place.bucket, name, request.headers)
        return Expected(signing.oss_v1_signature(secret, signed), signed)


@dataclass(frozen=True, slots=True)
class OssV4:
    """HMAC-SHA256 over place, query and headers, for one day and one region."""

    place: Place

    region: str
    """The bucket's own; empty where any will do."""

    def read_claim(self, request: Request) -> Claim:
        headers = request.headers
        given = _V4.fullmatch(headers.get("authorization", ""))
        if given is None:
            raise incomplete(
                'The header must be "Authorization: OSS4-HMAC-SHA256 Credential=<AccessKeyId>/<date>/<region>/oss/'
                'aliyun_v4_request,AdditionalHeaders=<names>,Signature=<hex>", the second part being optional.'
            )
        timestamp = headers.get("x-oss-date", "")
        if given["scope"] != signing.oss_v4_scope(timestamp, self.region or given["region"]):
            raise incomplete("The credential is not for the day of x-oss-date, or not for the region of the bucket.")
        if headers.get("x-oss-content-sha256", "") != signing.OSS4_PAYLOAD:
            raise incomplete(f'The header x-oss-content-sha256 must be "{signing.OSS4_PAYLOAD}".')
        names = tuple(given["names"].split(";")) if given["names"] else ()
        if missing := sorted(set(names).difference(headers)):
            raise incomplete(f"AdditionalHeaders names what the request does not have: {', '.join(missing)}.")
        return Claim(
            key_id=given["id"],
            signature=given["signature"],
            date=timestamp,
            token=headers.get("x-oss-security-token", ""),
            names=names,
            region=given["region"],
        )

    def read_date(self, date: str) -> datetime:
        if not re.fullmatch(r"\d{8}T\d{6}Z", date, re.ASCII):
            raise ValueError("not like 20230314T062950Z")
        return datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)

    def check_body(self, request: Request) -> None:
        check_content_md5(request)

    def expect(self, request: Request, claim: Claim, secret: str) -> Expected:
        canonical = signing.oss_v4_canonical_request(
            request.method,
            *self.place,
            request.headers,
            query=filled_pairs(request.query),
            additional_names=claim.names,
        )
        string = signing.oss_v4_string_to_sign(canonical, claim.date, claim.region)
        return Expected(signing.oss_v4_signature(secret, string, claim.date, claim.region), canonical)


_V4: Final = re.compile(
    r"OSS4-HMAC-SHA256 Credential=(?P<id>[^\s,/]+)/(?P<scope>\d{8}/(?P<region>[a-z0-9-]+)/oss/aliyun_v4_request)"
    r"(?:, ?AdditionalHeaders=(?P<names>[^\s,]+))?, ?Signature=(?P<signature>[0-9a-f]{64})",
    re.ASCII,
)


def check_content_md5(request: Request) -> None:
    """Raise ``Refusal`` where there is a digest of the body, and it is not this body's."""
    given = request.headers.get("content-md5", "")
    if given and not is_same(given, signing.content_md5(request.body)):
        raise Refusal("InvalidDigest", "The header Content-MD5 is not that of the body.")


# The bucket's own names of what the gateway refuses, with their status. Names that no capture shows.
_ERRORS: Final[Mapping[str, tuple[str, int]]] = {
    "AccessDenied": ("AccessDenied", 403),
    "IncompleteSignature": ("AccessDenied", 403),
    "InvalidAccessKeyId.NotFound": ("InvalidAccessKeyId", 403),
    "InvalidTimeStamp.Format": ("AccessDenied", 403),
    "InvalidTimeStamp.Expired": ("RequestTimeTooSkewed", 403),
    "MissingSecurityToken": ("InvalidAccessKeyId", 403),
    "InvalidSecurityToken.Malformed": ("InvalidSecurityToken", 403),
    "InvalidSecurityToken.MismatchWithAccessKey": ("InvalidSecurityToken", 403),
    "InvalidSecurityToken.Expired": ("SecurityTokenExpired", 403),
    "SignatureDoesNotMatch": ("SignatureDoesNotMatch", 403),
    "RequestEntityTooLarge": ("EntityTooLarge", 400),
}


# Control characters, which a path can hold and XML cannot.
_NOT_XML: Final = re.compile(r"[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def error_answer(refusal: Refusal, host: str) -> Answer:
    """Return OSS's error body."""
    code, status = _ERRORS.get(refusal.code, (refusal.code, refusal.http_status))
    request_id = new_request_id()
    fields = {"Code": code, "Message": refusal.message, "RequestId": request_id, "HostId": host}
    lines = "".join(f"<{name}>{escape(_NOT_XML.sub('?', value))}</{name}>" for name, value in fields.items())
    return Answer(
        status=status,
        headers={"Content-Type": "application/xml", "x-oss-request-id": request_id},
        body=f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{lines}</Error>'.encode(),
    )
