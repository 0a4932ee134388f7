"""
Perceptual hashes of what waits for a person: computed where the bytes are at hand, or else before they are asked for.

A picture that is flat, unreadable or gone gets ``-``: it resembles nothing, and is not read again. Storing a hash is no
change of the record: its version stays.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Iterable
from typing import Final

from django.db import DatabaseError

from ...choices import Status
from ...decoding import MORE_FORMATS, decode
from ...exceptions import ImgmodConfigurationError, ProviderError, ProviderRefused
from ...models import ModerationRecord, ModerationRecordQuerySet
from ...perceptual import perceptual_hash
from ..sources import read_source

logger = logging.getLogger("django_imgmod")

NOTHING_TELLING: Final = "-"
MAX_BYTES: Final = 20 * 1024 * 1024
# Twice the side that the hash is made of.
_SIDE: Final = 128
# How many of those without a hash are looked up, so that several workers take others.
_WINDOW: Final = 1000
_AT_ONCE: Final = 100
_SECONDS: Final = 5
# How many of the queue are looked at beside the one that is claimed, how many of them are hashed, and of which size.
_LOOK_AHEAD: Final = 20
_HANDFUL: Final = 3
_SMALL: Final = 512 * 1024


def ensure_hash(record: ModerationRecord) -> bool:
    """
    Fill in a record's hash, unless it has one or was found to have none; return False where the storage fails.

    Reads the file then. Never raises because of the file or its storage.
    """
    if record.perceptual_hash:
        return True
    try:
        content = read_source(record, max_bytes=MAX_BYTES).content
    except (FileNotFoundError, ProviderRefused, ImgmodConfigurationError):
        _keep(record, NOTHING_TELLING)
    except ProviderError as error:
        logger.info("hash=postponed record=%s message=%r", record.public_id, str(error))
        return False
    else:
        keep_hash(record, content)
    return True


def keep_hash(record: ModerationRecord, content: bytes) -> None:
    """Store the hash of a record's bytes. Never raises because of the bytes."""
    try:
        picture = decode(content, file_name=record.file_name, side=_SIDE, formats=MORE_FORMATS)
        found = perceptual_hash(picture.image)
        text = found.text if found.is_telling else NOTHING_TELLING
    except ProviderRefused:
        text = NOTHING_TELLING
    except Exception:
        # A picture that nobody can hash must not stand in the way of its card.
        logger.exception("hash=failed record=%s file=%r", record.public_id, record.file_name)
        text = NOTHING_TELLING
    _keep(record, text)


def keep_hash_if_in_review(record: ModerationRecord, content: bytes) -> None:
    """Store the hash of the bytes that were judged just now, where a person has to decide about them. Never raises."""
    if record.status == Status.IN_REVIEW and not record.perceptual_hash:
        try:
            keep_hash(record, content)
        except DatabaseError:
            # Only a hash: what was judged is written already, and the hash can be had later.
            logger.exception("hash=postponed record=%s", record.public_id)


def fill_hashes(*, using: str) -> int:
    """
    Hash some of the records in review that have no hash, for a few seconds at most; return how many were looked at.

    Chosen by chance: several processes that do so at once hardly meet. Ends where the storage fails.
    """
    keys = list(_unhashed(using).values_list("pk", flat=True)[:_WINDOW])
    chosen = random.sample(keys, min(_AT_ONCE, len(keys)))
    return _fill(_unhashed(using).filter(pk__in=chosen).select_related("content_type").defer("raw")) if chosen else 0


def hash_first(queue: ModerationRecordQuerySet) -> None:
    """Hash a handful of the next records of a queue, where they have no hash. Small files only: somebody waits."""
    first = queue.values_list("pk", "perceptual_hash", "byte_count")[:_LOOK_AHEAD]
    small = [key for key, text, size in first if not text and size is not None and size <= _SMALL]
    if small:
        _fill(queue.order_by().filter(pk__in=small[:_HANDFUL]).select_related("content_type"))


def _unhashed(using: str) -> ModerationRecordQuerySet:
    return ModerationRecord.objects.using(using).filter(status=Status.IN_REVIEW, perceptual_hash="")


def _fill(records: Iterable[ModerationRecord]) -> int:
    count, end = 0, time.monotonic() + _SECONDS
    for record in records:
        count += 1
        if not ensure_hash(record) or time.monotonic() > end:
            break
    return count


def _keep(record: ModerationRecord, text: str) -> None:
    ModerationRecord.objects.using(record._state.db).filter(pk=record.pk).update(perceptual_hash=text)
    record.perceptual_hash = text
