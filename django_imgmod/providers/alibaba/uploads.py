"""Uploads into the provider's own bucket: the token that allows them, and the PUT."""

from __future__ import annotations

import os
import re
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from ipaddress import ip_address
from mimetypes import guess_type
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

from ...exceptions import ProviderAuthError, ProviderProtocolError
from . import signing
from .base import AlibabaProvider
from .credentials import VARIABLES, Credentials

# A token must outlive the longest exchange that begins with it.
MARGIN: Final = 180.0


@dataclass(frozen=True, kw_only=True, slots=True)
class UploadToken:
    """What allows uploads for a while. Its repr shows no secret."""

    credentials: Credentials
    bucket: str

    prefix: str
    """What an object's name begins with, the last slash included."""

    endpoint: str
    """Of the object storage, from anywhere; a URL, or a host alone."""

    internal_endpoint: str
    """Likewise, from the provider's own network."""

    expires_at: float
    """Seconds since 1970."""


AskToken = Callable[[AlibabaProvider], UploadToken]


class Target(NamedTuple):
    """Where the object storage is asked."""

    address: str
    """Scheme, host and port."""

    region: str
    """Empty where the host does not name it."""

    is_path_style: bool
    """Whether the bucket stands in the path, for it cannot stand in the host."""


def ask_token2(provider: AlibabaProvider) -> UploadToken:
    """Ask DescribeUploadToken of 2.0 for a token."""
    return _read_token(provider, provider.call_rpc("DescribeUploadToken").get("Data"), _FIELDS2)


def ask_token1(provider: AlibabaProvider) -> UploadToken:
    """Ask UploadCredentials of Green for a token."""
    payload = provider.call_green("/green/credentials/uploadcredentials", {})
    return _read_token(provider, payload.get("data"), _FIELDS1)


def upload(provider: AlibabaProvider, ask_token: AskToken, content: bytes, extension: str) -> tuple[str, str]:
    """
    Put bytes into the provider's bucket, and return its name and that of the new object.

    The token is asked for by ``ask_token`` and shared by the threads of this process until shortly before its end; one
    that is refused is asked for anew, once. ``extension`` has no full stop. The provider keeps an object for 30
    minutes. Raises as ``send`` does.
    """
    slot = _slot_of(provider)
    token = slot.token(provider, ask_token)
    try:
        return _put(provider, token, content, extension)
    except ProviderAuthError:
        # Not a word of it is kept: it speaks of an account, where a token has expired.
        pass
    token = slot.token(provider, ask_token, refused=token)
    try:
        return _put(provider, token, content, extension)
    except ProviderAuthError as error:
        refusal = str(error)
    raise ProviderAuthError(
        f"{refusal} The bucket is the provider's own, and the token was new: is this machine's clock right?"
    )


def signed_put(
    token: UploadToken, target: Target, object_name: str, content_type: str, at: datetime
) -> tuple[str, dict[str, str]]:
    """
    Return URL and headers of the PUT of an object.

    Signed by V4 where the region is known, which V4 needs, else by V1, which the provider is withdrawing.
    """
    credentials = token.credentials
    headers = {"Content-Type": content_type, "x-oss-security-token": credentials.security_token}
    if target.region:
        timestamp = at.strftime("%Y%m%dT%H%M%SZ")
        headers |= {"x-oss-content-sha256": signing.OSS4_PAYLOAD, "x-oss-date": timestamp}
        canonical = signing.oss_v4_canonical_request("PUT", token.bucket, object_name, headers)
        string = signing.oss_v4_string_to_sign(canonical, timestamp, target.region)
        signature = signing.oss_v4_signature(credentials.access_key_secret, string, timestamp, target.region)
        scope = signing.oss_v4_scope(timestamp, target.region)
        headers["Authorization"] = (
            f"{signing.OSS4} Credential={credentials.access_key_id}/{scope}, Signature={signature}"
        )
    else:
        headers["Date"] = format_datetime(at, usegmt=True)
        string = signing.oss_v1_string_to_sign("PUT", token.bucket, object_name, headers)
        signature = signing.oss_v1_signature(credentials.access_key_secret, string)
        headers["Authorization"] = f"OSS {credentials.access_key_id}:{signature}"
    return f"{_base_of(target, token.bucket)}/{quote(object_name, safe='/')}", headers


def target_of(endpoint: str, *, scheme: str) -> Target:
    """
    Return how the object storage is asked at an endpoint; ``scheme`` is for one that names none.

    The provider's own hosts are asked by HTTPS even where a token says otherwise: the picture and the token travel
    there. Raises ``ValueError`` for what is no endpoint.
    """
    parts = urlsplit(endpoint if "://" in endpoint else f"{scheme}://{endpoint}")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("It is neither a host nor a URL.")
    is_own = parts.hostname.endswith(".aliyuncs.com")
    region = _REGIONAL_HOST.fullmatch(parts.hostname)
    return Target(
        address=f"{'https' if is_own else parts.scheme}://{parts.netloc.rpartition('@')[2]}",
        region=region[1] if region else "",
        is_path_style=parts.hostname == "localhost" or _is_ip(parts.hostname),
    )


class _Fields(NamedTuple):
    """What a generation calls the parts of its token."""

    access_key_id: str
    access_key_secret: str
    security_token: str
    bucket: str
    prefix: str
    endpoint: str
    internal_endpoint: str
    expires_at: str
    units_per_second: int
    folder: str
    """What follows on the prefix."""


_FIELDS2: Final = _Fields(
    access_key_id="AccessKeyId",
    access_key_secret="AccessKeySecret",  # noqa: S106 - the name of a field
    security_token="SecurityToken",  # noqa: S106 - likewise
    bucket="BucketName",
    prefix="FileNamePrefix",
    endpoint="OssInternetEndPoint",
    internal_endpoint="OssInternalEndPoint",
    expires_at="Expiration",
    units_per_second=1,
    folder="",
)
_FIELDS1: Final = _Fields(
    access_key_id="accessKeyId",
    access_key_secret="accessKeySecret",  # noqa: S106 - likewise
    security_token="securityToken",  # noqa: S106 - likewise
    bucket="uploadBucket",
    prefix="uploadFolder",
    endpoint="ossEndpoint",
    internal_endpoint="ossInternalEndpoint",
    expires_at="expiredTime",
    units_per_second=1000,
    folder="/images/",
)
_FOREVER: Final = 1e15
_BUCKET: Final = re.compile(r"[a-z0-9][a-z0-9-]{1,62}")
# A host that serves all regions names none.
_REGIONAL_HOST: Final = re.compile(r"oss-(?!accelerate)([a-z0-9-]+?)(?:-internal)?\.aliyuncs\.com")


def _read_token(provider: AlibabaProvider, data: Any, names: _Fields) -> UploadToken:
    given: dict[str, Any] = data if isinstance(data, dict) else {}
    texts: dict[str, Any] = {name: given.get(getattr(names, name)) for name in _Fields._fields[:7]}
    wrong = [getattr(names, name) for name, value in texts.items() if not _is_usable(name, value)]
    expires: Any = given.get(names.expires_at)
    is_number = isinstance(expires, int | float) and not isinstance(expires, bool)
    if not is_number or not 0 < expires < _FOREVER:
        wrong.append(names.expires_at)
    if wrong:
        raise ProviderProtocolError(
            f'Provider "{provider.alias}" ({provider.host}) gave an upload token without a usable {", ".join(wrong)}.'
        )
    return UploadToken(
        credentials=Credentials(**{name: texts[name] for name in VARIABLES}),
        bucket=texts["bucket"],
        prefix=f"{texts['prefix']}{names.folder}",
        endpoint=texts["endpoint"],
        internal_endpoint=texts["internal_endpoint"],
        expires_at=expires / names.units_per_second,
    )


def _is_usable(name: str, value: object) -> bool:
    if not isinstance(value, str) or not value.isprintable():
        return False
    # What is in a header or in a host.
    return name == "prefix" or (
        value.isascii() and bool(value) and (name != "bucket" or bool(_BUCKET.fullmatch(value)))
    )


def _put(provider: AlibabaProvider, token: UploadToken, content: bytes, extension: str) -> tuple[str, str]:
    endpoint = token.internal_endpoint if provider.options.vpc else token.endpoint
    try:
        target = target_of(endpoint, scheme=urlsplit(provider.address).scheme)
    except ValueError:
        raise ProviderProtocolError(
            f'Provider "{provider.alias}" ({provider.host}) gave an upload token for an endpoint that is none.'
        ) from None
    object_name = f"{token.prefix}{uuid.uuid4()}.{extension}"
    content_type = guess_type(object_name)[0] or "application/octet-stream"
    url, headers = signed_put(token, target, object_name, content_type, datetime.now(UTC))
    provider.send("PUT", url, headers=headers, data=content, wants_json=False)
    return token.bucket, object_name


def _base_of(target: Target, bucket: str) -> str:
    if target.is_path_style:
        return f"{target.address}/{bucket}"
    return target.address.replace("://", f"://{bucket}.", 1)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


@dataclass(slots=True)
class _Slot:
    """The token of one alias and account. Its lock is held while a new one is asked for, so that one thread does."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    kept: UploadToken | None = None

    def token(
        self, provider: AlibabaProvider, ask_token: AskToken, *, refused: UploadToken | None = None
    ) -> UploadToken:
        """Return the token that is kept, or a new one where it is about to end or is the one that was refused."""
        with self.lock:
            kept = self.kept
            if kept is None or kept is refused or kept.expires_at - MARGIN <= time.time():
                self.kept = kept = ask_token(provider)
            return kept


_Owner = tuple[int, str, str, str]
_slots: Final[dict[_Owner, _Slot]] = {}


def _slot_of(provider: AlibabaProvider) -> _Slot:
    # The process is in it because a lock that is held during a fork is never released in the child.
    owner = (os.getpid(), provider.alias, provider.address, provider.credentials().access_key_id)
    if owner not in _slots:
        # Settings change in tests, and the keys of temporary credentials change for ever.
        for outdated in [key for key in tuple(_slots) if key[1] == provider.alias and key != owner]:
            _slots.pop(outdated, None)
    return _slots.setdefault(owner, _Slot())
