"""Pages by key: none is slower than the first, nothing is counted, and nothing falls between two of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import APIException, ValidationError
from rest_framework.pagination import Cursor, CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView

from ..choices import RiskLevel
from ..models import ModerationRecord, ModerationRecordQuerySet
from ..services.review.queue import Position, before, beyond

MAX_KEY: Final = 2**63 - 1
_KEY: Final = re.compile(r"[0-9]{1,19}")


class KeyPagination(CursorPagination):
    """Go on beyond the last record of a page, or before its first. Subclasses say what a record's place is."""

    def __init__(self, given: Mapping[str, Any] = MappingProxyType({})) -> None:
        """``given`` is what was asked for, ``page_size`` and all."""
        self.given = given

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        size = self.given["page_size"]
        self.base_url = request.build_absolute_uri()
        cursor = self.decode_cursor(request) or Cursor(offset=0, reverse=False, position=None)
        found = list(self._rows(queryset, cursor)[: size + 1])
        has_more = len(found) > size
        self.page = found[:size]
        self.has_next, self.has_previous = has_more, cursor.position is not None
        if cursor.reverse:
            self.page.reverse()
            self.has_next, self.has_previous = cursor.position is not None, has_more
        return self.page

    def _rows(self, records: ModerationRecordQuerySet, cursor: Cursor) -> ModerationRecordQuerySet:
        if cursor.position is None:
            return records.reverse() if cursor.reverse else records
        try:
            return self.rows_from(records, str(cursor.position), is_reverse=cursor.reverse)
        except (OverflowError, ValueError):
            raise _no_cursor() from None

    def decode_cursor(self, request: Request) -> Cursor | None:
        try:
            return super().decode_cursor(request)
        except (APIException, ValueError):
            raise _no_cursor() from None

    def get_next_link(self) -> str | None:
        return self._link(is_reverse=False, at=-1) if self.has_next else None

    def get_previous_link(self) -> str | None:
        return self._link(is_reverse=True, at=0) if self.has_previous else None

    def _link(self, *, is_reverse: bool, at: int) -> str:
        # Of a page that became empty meanwhile, to the beginning or the end of all.
        position: Any = self.place_of(self.page[at]) if self.page else None
        return str(self.encode_cursor(Cursor(offset=0, reverse=is_reverse, position=position)))

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "nullable": True, "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {"next": link, "previous": link, "results": schema},
        }

    def place_of(self, record: ModerationRecord) -> str:
        """Return where a record stands in the list."""
        raise NotImplementedError

    def rows_from(self, records: ModerationRecordQuerySet, place: str, *, is_reverse: bool) -> ModerationRecordQuerySet:
        """Return what stands beyond a place or, the nearest first, before it. Raises ``ValueError`` for no place."""
        raise NotImplementedError


class NewestFirst(KeyPagination):
    """By key, the newest record first."""

    def place_of(self, record: ModerationRecord) -> str:
        return str(record.pk)

    def rows_from(self, records: ModerationRecordQuerySet, place: str, *, is_reverse: bool) -> ModerationRecordQuerySet:
        if not _KEY.fullmatch(place) or int(place) > MAX_KEY:
            raise ValueError(f"{place!r} is no key.")
        return records.filter(pk__gt=place).order_by("pk") if is_reverse else records.filter(pk__lt=place)


class InQueueOrder(KeyPagination):
    """In the order of the review queue that was asked for."""

    def place_of(self, record: ModerationRecord) -> str:
        return Position.of(record).encode()

    def rows_from(self, records: ModerationRecordQuerySet, place: str, *, is_reverse: bool) -> ModerationRecordQuerySet:
        position, order = Position.decode(place), self.given["order"]
        if position.rank >= len(RiskLevel):
            raise ValueError(f"{place!r} is no place in the queue.")
        return (before if is_reverse else beyond)(records, position, order=order)


def _no_cursor() -> ValidationError:
    return ValidationError({"cursor": [_("This is no cursor that was made here.")]}, code="cursor")
