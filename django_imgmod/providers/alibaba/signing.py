"""
Signatures of Alibaba Cloud's interfaces: what is signed, and with what.

Pure: whoever sends a request and whoever checks one compute the same. Queries are pairs as they were before encoding.
Headers are found whatever their case.

| name | who uses it                         | source                                                          |
|------|-------------------------------------|-----------------------------------------------------------------|
| ROA  | Green, 2018-05-09                   | "Request signatures"                                            |
| ACS3 | Image Moderation 2.0, 2022-03-02    | "Request syntax and signature method V3"                        |
| RPC  | older clients of 2.0                | "Request signatures" of the RPC style                           |
| OSS  | uploads to the provider's bucket    | "Include signatures in the Authorization header", V1 and V4     |
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from typing import Final
from urllib.parse import quote

ACS3: Final = "ACS3-HMAC-SHA256"
OSS4: Final = "OSS4-HMAC-SHA256"
OSS4_PAYLOAD: Final = "UNSIGNED-PAYLOAD"

Pairs = Iterable[tuple[str, str]]


def percent_encode(text: str) -> str:
    """Return text with every byte but ``A-Z a-z 0-9 - _ . ~`` as ``%XX``."""
    return quote(text, safe="")


def canonical_query(pairs: Pairs) -> str:
    """Return the query in the one form that is signed; it can be sent as it is."""
    return "&".join(f"{percent_encode(name)}={percent_encode(value)}" for name, value in sorted(pairs))


def content_md5(body: bytes) -> str:
    """Return what ``Content-MD5`` has to be."""
    return b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def content_sha256(body: bytes) -> str:
    """Return what ``x-acs-content-sha256`` has to be."""
    return hashlib.sha256(body).hexdigest()


def roa_string_to_sign(
    method: str, path: str, query: Iterable[tuple[str, str | None]], headers: Mapping[str, str]
) -> str:
    """Return what a request to Green signs. A name without ``=`` has the value None."""
    given = _lowered(headers)
    pairs = sorted(query, key=lambda pair: pair[0])
    resource = "&".join(name if value is None else f"{name}={value}" for name, value in pairs)
    return "\n".join(
        [
            method,
            *(given.get(name, "") for name in ("accept", "content-md5", "content-type", "date")),
            *_lines(given, "x-acs-"),
            f"{path}?{resource}" if resource else path,
        ]
    )


def roa_signature(secret: str, string: str) -> str:
    """Return the signature that ``Authorization: acs ID:SIGNATURE`` holds."""
    return _hmac_sha1(secret, string)


def acs3_canonical_request(
    method: str, path: str, query: Pairs, headers: Mapping[str, str], signed_names: Sequence[str], payload_hash: str
) -> str:
    """Return the canonical form of a request to 2.0; a header that is signed and missing counts as empty."""
    given = _lowered(headers)
    names = sorted(name.lower() for name in signed_names)
    lines = "".join(f"{name}:{given.get(name, '')}\n" for name in names)
    return "\n".join([method, path, canonical_query(query), lines, ";".join(names), payload_hash])


def acs3_string_to_sign(canonical: str) -> str:
    """Return what is signed of a canonical request."""
    return f"{ACS3}\n{_sha256(canonical)}"


def acs3_signature(secret: str, string: str) -> str:
    """Return the signature that ``Authorization: ACS3-HMAC-SHA256 …,Signature=`` holds."""
    return _hmac_sha256(secret.encode(), string).hex()


def rpc_string_to_sign(method: str, parameters: Pairs) -> str:
    """Return what a request in the RPC style signs: all parameters of query and form, but not the signature itself."""
    query = canonical_query(pair for pair in parameters if pair[0] != "Signature")
    return f"{method}&%2F&{percent_encode(query)}"


def rpc_signature(secret: str, string: str) -> str:
    """Return the signature that the parameter ``Signature`` holds."""
    return _hmac_sha1(f"{secret}&", string)


def oss_v1_string_to_sign(method: str, bucket: str, key: str, headers: Mapping[str, str]) -> str:
    """Return what a request about one object signs in V1; ``key`` is the object's name, not encoded."""
    given = _lowered(headers)
    return "\n".join(
        [
            method,
            *(given.get(name, "") for name in ("content-md5", "content-type", "date")),
            *_lines(given, "x-oss-"),
            f"/{bucket}/{key}",
        ]
    )


def oss_v1_signature(secret: str, string: str) -> str:
    """Return the signature that ``Authorization: OSS ID:SIGNATURE`` holds."""
    return _hmac_sha1(secret, string)


def oss_v4_canonical_request(
    method: str,
    bucket: str,
    key: str,
    headers: Mapping[str, str],
    *,
    query: Pairs = (),
    additional_names: Sequence[str] = (),
) -> str:
    """
    Return the canonical form of a request about one object in V4.

    Signed are ``content-type``, ``content-md5``, all ``x-oss-`` headers and those of ``additional_names``.
    """
    given = _lowered(headers)
    additional = sorted(name.lower() for name in additional_names)
    names = [name for name in sorted(given) if name in _OSS4_NAMES or name.startswith("x-oss-") or name in additional]
    encoded = sorted((percent_encode(name), percent_encode(value)) for name, value in query)
    return "\n".join(
        [
            method,
            quote(f"/{bucket}/{key}", safe="/"),
            "&".join(f"{name}={value}" if value else name for name, value in encoded),
            "".join(f"{name}:{given[name]}\n" for name in names),
            ";".join(additional),
            given.get("x-oss-content-sha256", OSS4_PAYLOAD),
        ]
    )


def oss_v4_scope(timestamp: str, region: str) -> str:
    """Return what a signature of V4 holds for; ``timestamp`` is that of ``x-oss-date``: ``20230314T062950Z``."""
    return f"{timestamp[:8]}/{region}/oss/aliyun_v4_request"


def oss_v4_string_to_sign(canonical: str, timestamp: str, region: str) -> str:
    """Return what is signed of a canonical request in V4."""
    return "\n".join([OSS4, timestamp, oss_v4_scope(timestamp, region), _sha256(canonical)])


def oss_v4_signature(secret: str, string: str, timestamp: str, region: str) -> str:
    """Return the signature that ``Authorization: OSS4-HMAC-SHA256 …,Signature=`` holds."""
    key = f"aliyun_v4{secret}".encode()
    for part in oss_v4_scope(timestamp, region).split("/"):
        key = _hmac_sha256(key, part)
    return _hmac_sha256(key, string).hex()


_OSS4_NAMES: Final = frozenset({"content-type", "content-md5"})


def _lowered(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value.strip() for name, value in headers.items()}


def _lines(given: Mapping[str, str], prefix: str) -> list[str]:
    return [f"{name}:{value}" for name, value in sorted(given.items()) if name.startswith(prefix)]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _hmac_sha1(key: str, text: str) -> str:
    return b64encode(hmac.digest(key.encode(), text.encode(), "sha1")).decode()


def _hmac_sha256(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
