"""Requests for the emulator, signed as a client signs them, and sent without a network."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote_to_bytes, urlencode

from django.utils.http import http_date

from django_imgmod.emulator.wire import filled_pairs, parse_pairs
from django_imgmod.providers.alibaba import signing

NOW = datetime(2023, 3, 14, 6, 29, 50, tzinfo=UTC)
KEY_ID, SECRET = "testAccessKeyId", "testAccessKeySecret"
STS_ID, STS_SECRET, STS_TOKEN = "STS.testAccessKeyId", "testStsAccessKeySecret", "CAISzgJ1q6+test/Token=="
HOST = "127.0.0.1:8000"

App = Callable[..., Iterable[bytes]]


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **parts: float) -> None:
        self.now += timedelta(**parts)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        payload = json.loads(self.body)
        assert isinstance(payload, dict)
        assert payload
        return payload

    @property
    def code(self) -> Any:
        """Of either kind of body."""
        return self.json.get("Code", self.json.get("code"))


@dataclass
class Draft:
    """A request that can still be changed, also after it was signed."""

    method: str = "POST"
    path: str = "/"
    """As it is on the wire."""
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def send(self, app: App) -> Reply:
        return send(app, self.method, self.path, self.query, self.headers.items(), self.body)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        return filled_pairs(parse_pairs(self.query))

    def add(self, **headers: str) -> None:
        """Add headers, named with underscores."""
        self.headers.update({name.replace("_", "-"): value for name, value in headers.items() if value})

    def remove(self, name: str) -> None:
        for known in [known for known in self.headers if known.lower() == name.lower()]:
            del self.headers[known]


def send(app: App, method: str, path: str, query: str, headers: Iterable[tuple[str, str]], body: bytes = b"") -> Reply:
    """Call a WSGI application as a server would."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
    }
    for name, value in headers:
        key = name.upper().replace("-", "_")
        if key != "CONTENT_LENGTH":
            environ[key if key == "CONTENT_TYPE" else f"HTTP_{key}"] = value
    head: list[Any] = []
    content = b"".join(app(environ, lambda status, headers: head.extend((status, headers))))
    answered = dict(head[1])
    assert answered["Content-Length"] == str(len(content))
    return Reply(int(head[0].split()[0]), answered, content)


def roa(
    path: str,
    payload: Any,
    *,
    key_id: str = KEY_ID,
    secret: str = SECRET,
    token: str = "",
    now: datetime = NOW,
    nonce: str = "",
    **extra: str,
) -> Draft:
    """Return a signed request to Green. ``extra`` are headers, replacing the usual ones."""
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    draft = Draft(path=path, query="RegionId=cn-shanghai", body=body)
    draft.add(
        Host=HOST,
        Accept="application/json",
        Content_Type="application/json",
        Content_MD5=signing.content_md5(body),
        Date=http_date(now.timestamp()),
        x_acs_version="2018-05-09",
        x_acs_signature_method="HMAC-SHA1",
        x_acs_signature_version="1.0",
        x_acs_security_token=token,
        x_acs_signature_nonce=nonce,
    )
    draft.add(**extra)
    string = signing.roa_string_to_sign(draft.method, path, draft.pairs, draft.headers)
    draft.add(Authorization=f"acs {key_id}:{signing.roa_signature(secret, string)}")
    return draft


def acs3(
    action: str,
    *,
    query: dict[str, str] | None = None,
    form: dict[str, str] | None = None,
    key_id: str = KEY_ID,
    secret: str = SECRET,
    token: str = "",
    now: datetime = NOW,
    nonce: str | None = None,
    without: Iterable[str] = (),
    **extra: str,
) -> Draft:
    """Return a signed request to 2.0. ``without`` names headers that are sent, but not signed."""
    body = urlencode(form).encode() if form else b""
    draft = Draft(query=signing.canonical_query((query or {}).items()), body=body)
    draft.add(
        host=HOST,
        content_type="application/x-www-form-urlencoded" if form else "",
        x_acs_action=action,
        x_acs_version="2022-03-02",
        x_acs_date=f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        x_acs_signature_nonce=uuid.uuid4().hex if nonce is None else nonce,
        x_acs_content_sha256=signing.content_sha256(body),
        x_acs_security_token=token,
    )
    draft.add(**extra)
    names = sorted(set(draft.headers) - set(without))
    canonical = signing.acs3_canonical_request(
        draft.method, "/", draft.pairs, draft.headers, names, draft.headers.get("x-acs-content-sha256", "")
    )
    signature = signing.acs3_signature(secret, signing.acs3_string_to_sign(canonical))
    draft.add(
        Authorization=f"ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders={';'.join(names)},Signature={signature}"
    )
    return draft


def rpc(
    action: str,
    *,
    query: dict[str, str] | None = None,
    form: dict[str, str] | None = None,
    key_id: str = KEY_ID,
    secret: str = SECRET,
    token: str = "",
    now: datetime = NOW,
    **extra: str,
) -> Draft:
    """Return a signed request to 2.0 in the older style. ``extra`` are parameters, replacing the usual ones."""
    parameters = {
        "Action": action,
        "Format": "json",
        "Version": "2022-03-02",
        "Timestamp": f"{now:%Y-%m-%dT%H:%M:%SZ}",
        "SignatureNonce": uuid.uuid4().hex,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "AccessKeyId": key_id,
        **({"SecurityToken": token} if token else {}),
        **(query or {}),
        **extra,
    }
    string = signing.rpc_string_to_sign("POST", [*parameters.items(), *(form or {}).items()])
    parameters["Signature"] = signing.rpc_signature(secret, string)
    draft = Draft(query=urlencode(parameters), body=urlencode(form).encode() if form else b"")
    draft.add(host=HOST, content_type="application/x-www-form-urlencoded" if form else "")
    return draft


def put(
    bucket: str,
    name: str,
    content: bytes,
    *,
    key_id: str,
    secret: str,
    token: str = "",
    now: datetime = NOW,
    version: int = 1,
    is_virtual: bool = False,
    region: str = "cn-shanghai",
    **extra: str,
) -> Draft:
    """Return a signed upload; in the path, the slashes of its name are encoded, as the SDK does it."""
    encoded = signing.percent_encode(name)
    draft = Draft("PUT", f"/{encoded}" if is_virtual else f"/{bucket}/{encoded}", body=content)
    draft.add(
        Host=f"{bucket}.oss-cn-shanghai.aliyuncs.com" if is_virtual else HOST,
        Content_Type="image/png",
        x_oss_security_token=token,
    )
    timestamp = f"{now:%Y%m%dT%H%M%SZ}"
    draft.add(**({"Date": http_date(now.timestamp())} if version == 1 else {"x_oss_date": timestamp}))
    if version == 4:
        draft.add(x_oss_content_sha256="UNSIGNED-PAYLOAD")
    draft.add(**extra)
    if version == 1:
        string = signing.oss_v1_string_to_sign("PUT", bucket, name, draft.headers)
        draft.add(Authorization=f"OSS {key_id}:{signing.oss_v1_signature(secret, string)}")
        return draft
    canonical = signing.oss_v4_canonical_request("PUT", bucket, name, draft.headers)
    string = signing.oss_v4_string_to_sign(canonical, timestamp, region)
    signature = signing.oss_v4_signature(secret, string, timestamp, region)
    credential = f"{key_id}/{signing.oss_v4_scope(timestamp, region)}"
    draft.add(Authorization=f"OSS4-HMAC-SHA256 Credential={credential}, Signature={signature}")
    return draft
