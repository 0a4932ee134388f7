"""What may stand behind the question mark of an address, and what it picks out."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from ..choices import Lane, RiskLevel, Status
from ..clock import DatabaseNow
from ..conf import imgmod_settings
from ..models import LABEL_LENGTH, ModerationRecordQuerySet
from ..registry import all_watched_fields
from ..services.review.queue import ORDERS, QueueFilter, content_type_id, with_label
from .strict import NumberField, StrictSerializer, TextField, WordField

PAGE_SIZE: Final = 25
MAX_PAGE_SIZE: Final = 100
MAX_HOURS: Final = 100_000


def model_labels() -> Iterable[str]:
    return sorted({watched.model._meta.label for watched in all_watched_fields()})


def provider_aliases() -> Iterable[str]:
    return imgmod_settings.providers


def order_names() -> Iterable[str]:
    return ORDERS


class FilterParameters(StrictSerializer):
    """Which records."""

    is_of_address = True

    model = WordField(model_labels, required=False, help_text="A watched model, as `app.Model`.")
    label = TextField(required=False, max_length=LABEL_LENGTH, help_text="One of those that were detected.")  # type: ignore[assignment]
    risk_level = WordField(RiskLevel, required=False)
    provider = WordField(provider_aliases, required=False, help_text="An alias of the settings.")
    older_than_hours = NumberField(required=False, min_value=0, max_value=MAX_HOURS)
    reason = TextField(required=False, max_length=200, help_text="A part of the reason; only of what is in review.")
    lane = WordField(Lane, required=False, help_text="A queue; only what is in review waits in one.")

    @property
    def age(self) -> timedelta | None:
        hours = self.validated_data.get("older_than_hours")
        return None if hours is None else timedelta(hours=hours)


class PageParameters(StrictSerializer):
    """Which page of a list."""

    cursor = TextField(required=False, max_length=200, help_text="As `next` and `previous` of another page have it.")
    page_size = NumberField(required=False, default=PAGE_SIZE, min_value=1, max_value=MAX_PAGE_SIZE)


class RecordParameters(FilterParameters, PageParameters):
    """Which of all records."""

    status = WordField(Status, required=False)

    def narrow(self, records: ModerationRecordQuerySet) -> ModerationRecordQuerySet:
        """Leave out what was not asked for."""
        given = self.validated_data
        records = records.filter(**{name: given[name] for name in ("status", "provider") if name in given})
        if "model" in given:
            records = records.filter(content_type=content_type_id(given["model"], records.db))
        if "risk_level" in given:
            # The index that holds the risk level begins with the status: naming every status makes it usable.
            statuses = Status.values if "status" not in given else [given["status"]]
            records = records.filter(status__in=statuses, risk_level=given["risk_level"])
        if "lane" in given:
            records = records.filter(status=Status.IN_REVIEW, lane=given["lane"])
        if "reason" in given:
            # Searched in what waits alone: the whole table has no index for it.
            records = records.filter(status=Status.IN_REVIEW, reason__icontains=given["reason"])
        if self.age is not None:
            records = records.filter(created_at__lt=DatabaseNow() - self.age)
        if "label" in given:
            records = with_label(records, given["label"])
        return records


class ClaimParameters(FilterParameters):
    """Which of the records that wait, and in which order."""

    order = WordField(order_names, required=False, default="risk", help_text="`risk` is by risk, then age.")

    def queue(self, *, lane: Lane) -> QueueFilter:
        """Return what is asked for, in ``lane`` where none is named."""
        given = self.validated_data
        wanted = {name: given[name] for name in ("model", "label", "risk_level", "provider", "reason") if name in given}
        return QueueFilter(
            lane=Lane(given.get("lane", lane)), waiting_longer_than=self.age, order=given["order"], **wanted
        )


class QueueParameters(ClaimParameters, PageParameters):
    """Which page of what waits."""
