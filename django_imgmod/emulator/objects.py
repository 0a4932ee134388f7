"""
The buckets: credentials for uploads, and what is kept.

An upload goes to the provider's own bucket, under the prefix that its credentials are for, and is forgotten after
30 minutes. The account's own keys may put objects into any other bucket; these stay, as in a bucket of the site.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from .authentication import Clock, Key, SecurityToken

BUCKET: Final = "imgmod-emulator-uploads"
GRANT_LIFETIME: Final = timedelta(hours=1)
UPLOAD_LIFETIME: Final = timedelta(minutes=30)
# What is oldest makes room.
MAX_BYTES: Final = 512 * 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """Credentials for uploads."""

    key_id: str
    secret: str = field(repr=False)
    token: str = field(repr=False)

    folder: str
    """Where its objects go, without a slash at the end."""

    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Object:
    content: bytes
    expires_at: datetime | None


class Objects:
    """What was uploaded, and with which credentials one may. Usable from any thread."""

    def __init__(self, keys: Mapping[str, Key], *, uid: str, clock: Clock) -> None:
        self.keys: dict[str, Key] = dict(keys)
        """What a ``PUT`` may be signed with: the account's own keys and those that were given out for uploads."""
        self._uid = uid
        self._clock = clock
        self._lock = threading.Lock()
        self._grants: dict[str, Grant] = {}
        self._objects: dict[tuple[str, str], _Object] = {}
        self._byte_count = 0

    def grant(self) -> Grant:
        """Give out credentials for uploads, for an hour."""
        now = self._clock()
        grant = Grant(
            key_id=f"STS.{secrets.token_hex(10)}",
            secret=secrets.token_urlsafe(30),
            token=secrets.token_urlsafe(60),
            folder=f"upload/{self._uid}/{secrets.token_hex(3)}",
            expires_at=now + GRANT_LIFETIME,
        )
        with self._lock:
            # Kept for as long again, so that the answer is "expired" and not "unknown".
            for other in [other for other in self._grants.values() if other.expires_at + GRANT_LIFETIME < now]:
                del self._grants[other.key_id], self.keys[other.key_id]
            self._grants[grant.key_id] = grant
            self.keys[grant.key_id] = Key(grant.secret, SecurityToken(grant.token, grant.expires_at))
        return grant

    def is_allowed(self, key_id: str, bucket: str, name: str) -> bool:
        """Say whether a key may put an object there."""
        grant = self._grants.get(key_id)
        if grant is None:
            return bucket != BUCKET
        return bucket == BUCKET and name.startswith(f"{grant.folder}/")

    def put(self, bucket: str, name: str, content: bytes) -> None:
        """Keep an object, for 30 minutes in the bucket of uploads and without end in any other."""
        now = self._clock()
        with self._lock:
            self._forget([key for key, kept in self._objects.items() if _is_over(kept, now)])
            self._forget([(bucket, name)])
            self._objects[bucket, name] = _Object(content, now + UPLOAD_LIFETIME if bucket == BUCKET else None)
            self._byte_count += len(content)
            while self._byte_count > MAX_BYTES:
                self._forget([next(iter(self._objects))])

    def get(self, bucket: str, name: str) -> bytes | None:
        """Return an object's bytes; None where it is not there, or not any more."""
        with self._lock:
            kept = self._objects.get((bucket, name))
        return None if kept is None or _is_over(kept, self._clock()) else kept.content

    def _forget(self, keys: list[tuple[str, str]]) -> None:
        for key in keys:
            if forgotten := self._objects.pop(key, None):
                self._byte_count -= len(forgotten.content)


def _is_over(kept: _Object, now: datetime) -> bool:
    return kept.expires_at is not None and now >= kept.expires_at
