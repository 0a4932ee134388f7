"""Searching records by what has an index, and by file name among the newest."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Final

from django.contrib.contenttypes.models import ContentType
from django.db.models import Max, Q, QuerySet

from ..models import ModerationRecord

# File names have no index: only so many of the newest records are looked at.
FILE_NAME_WINDOW: Final = 50_000
MAX_FOUND: Final = 1_000


def search_records(records: QuerySet[ModerationRecord], term: str) -> QuerySet[ModerationRecord]:
    """
    Return those of ``records`` that ``term`` names: an object's id, a public id, a SHA-256, a part of a file name.

    The keys are fetched first, one bounded statement a way to be named, so that no database is tempted to walk the
    whole table in the list's order.
    """
    found: set[int] = set()
    everything = ModerationRecord.objects.using(records.db).order_by("-pk")
    for condition in _conditions(everything, term):
        found.update(everything.filter(condition).values_list("pk", flat=True)[:MAX_FOUND])
    return records.filter(pk__in=found)


def _conditions(records: QuerySet[ModerationRecord], term: str) -> Iterator[Q]:
    object_ids = {term}
    try:
        public_id = uuid.UUID(term)
    except ValueError:
        pass
    else:
        # A UUID may be a key of the site's own as well.
        object_ids.add(str(public_id))
        yield Q(public_id=public_id)
    if re.fullmatch(r"[0-9a-fA-F]{64}", term):
        yield Q(sha256=term.lower())
    # The index begins with the content type: naming all of them makes it usable.
    content_types = list(ContentType.objects.using(records.db).values_list("pk", flat=True))
    yield Q(content_type__in=content_types, object_id__in=object_ids)
    newest = records.order_by().aggregate(newest=Max("pk"))["newest"] or 0
    yield Q(pk__gt=newest - FILE_NAME_WINDOW, file_name__icontains=term)
