"""Sending a canary through the whole real path of a site, and leaving nothing behind."""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from django.db import DEFAULT_DB_ALIAS, router
from PIL.PngImagePlugin import PngInfo

from ..canary import CanaryLevel, draw_canary
from ..choices import ErrorCode
from ..models import ModerationRecord
from ..registry import WatchedField
from .claims import claim
from .intake import Target, open_record
from .submission import work_on

PREFIX: Final = "imgmod-doctor-"
PAUSE: Final = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class ProbeReport:
    """What came back for a canary."""

    record: ModerationRecord
    """As it was when the waiting ended. Its row is gone."""

    labels: tuple[str, ...]
    milliseconds: float

    def has_seen(self, level: CanaryLevel) -> bool:
        """Whether the canary was recognised for what it is."""
        return f"canary_{level}" in self.labels


def probe(watched: WatchedField, level: CanaryLevel, *, timeout: float) -> ProbeReport:
    """
    Send a canary the way of an image that was uploaded into ``watched``, and return what came back.

    It is stored in the field's storage and gets a record, which is worked on here and now: file, provider, policy and
    signals are the real ones; only the object is missing. The bytes are new each time, so that no earlier verdict is
    reused. File and record are deleted whatever happens. An answer that comes later is waited for ``timeout`` seconds.

    Raises what the storage or the database raises; a provider's failure is on the returned record.
    """
    number = uuid.uuid4().hex
    with (
        stored_canary(watched.field.storage, f"{PREFIX}{number}.png", level) as file_name,
        _recorded(watched, f"{PREFIX}{number}", file_name) as record,
    ):
        started = time.perf_counter()
        _work_until_settled(record, deadline=started + timeout)
        return ProbeReport(
            record=record,
            labels=tuple(record.detected_labels.values_list("label", flat=True)),
            milliseconds=(time.perf_counter() - started) * 1000,
        )


def _unique_canary(level: CanaryLevel) -> bytes:
    nonce = PngInfo()
    nonce.add_text("Comment", uuid.uuid4().hex)
    output = io.BytesIO()
    draw_canary(level).save(output, "PNG", pnginfo=nonce)
    return output.getvalue()


@contextmanager
def stored_canary(storage: Storage, name: str, level: CanaryLevel) -> Iterator[str]:
    """Keep a canary, of bytes that never were before, in a storage as long as the context lasts; give its name."""
    stored = storage.save(name, ContentFile(_unique_canary(level)))
    try:
        yield stored
    finally:
        storage.delete(stored)


@contextmanager
def _recorded(watched: WatchedField, object_id: str, file_name: str) -> Iterator[ModerationRecord]:
    using = router.db_for_write(ModerationRecord, instance=watched.model())
    target = Target(watched=watched, object_id=object_id, pk=None, object_db=using, record_db=using)
    record = ModerationRecord.objects.using(using).get(public_id=open_record(target, file_name))
    try:
        yield record
    finally:
        record.delete()


def _work_until_settled(record: ModerationRecord, *, deadline: float) -> None:
    """Work, or let others work, until there is an outcome or a failure, or ``time.perf_counter()`` is past it."""
    using = record._state.db or DEFAULT_DB_ALIAS
    while True:
        claimed = claim(record.public_id, using=using)
        if claimed is not None:
            work_on([claimed], patience=max(deadline - time.perf_counter(), 0))
        record.refresh_from_db()
        remaining = deadline - time.perf_counter()
        # A provider that is busy has not failed.
        has_failed = record.error_code not in ("", ErrorCode.THROTTLED)
        if not record.is_open or has_failed or remaining <= 0:
            return
        time.sleep(min(PAUSE, remaining))
