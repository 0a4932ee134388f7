"""The sidebar of the record list. No filter may read the whole table to find out what it can offer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext_lazy as _

from ..choices import Status
from ..conf import imgmod_settings
from ..models import DetectedLabel, ModerationRecord
from ..services.storable import storable

MAX_LABELS: Final = 100


class Pictures(models.TextChoices):
    """How much of the pictures a moderator wants to see."""

    HIDDEN = "hidden", _("Hidden")
    BLURRED = "blurred", _("Blurred and grey")
    SHOWN = "shown", _("Shown")

    @classmethod
    def wanted(cls, request: HttpRequest) -> Pictures:
        """Return what the page's address asks for, or that of the list it was opened from; hidden by default."""
        list_parameters = QueryDict(request.GET.get("_changelist_filters", ""))
        value = request.GET.get(PicturesFilter.parameter_name) or list_parameters.get(PicturesFilter.parameter_name)
        return cls(value) if value in cls.values else cls.HIDDEN


class PicturesFilter(admin.SimpleListFilter):
    """A switch among the filters: it leaves out no record, it only says whether pictures are loaded."""

    title = _("Pictures")
    parameter_name = "pictures"
    template = "admin/django_imgmod/moderationrecord/pictures_filter.html"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, Any]]:
        return list(Pictures.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[ModerationRecord]) -> QuerySet[ModerationRecord]:
        return queryset

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        wanted = Pictures.wanted(self.request)
        for value, display in self.lookup_choices:
            yield {
                "selected": value == wanted,
                "query_string": changelist.get_query_string({self.parameter_name: value}),
                "display": display,
            }


class RiskLevelFilter(admin.ChoicesFieldListFilter):
    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any] | None:
        if self.used_parameters:
            # The index that holds the risk level begins with the status: naming every status makes it usable.
            queryset = queryset.filter(status__in=Status.values)
        return super().queryset(request, queryset)


class LabelFilter(admin.SimpleListFilter):
    title = _("label")
    parameter_name = "label"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        labels = DetectedLabel.objects.using(model_admin.get_queryset(request).db).names(MAX_LABELS)
        value = self.value()
        if value and value not in labels:
            labels.append(value)
        return [(label, label) for label in labels]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ModerationRecord]) -> QuerySet[ModerationRecord]:
        value = self.value()
        if not value:
            return queryset
        # Not a join: a label that was seen in several frames would list its record several times.
        return queryset.filter(pk__in=DetectedLabel.objects.filter(label=storable(value)).values("record"))


class ProviderFilter(admin.SimpleListFilter):
    title = _("provider")
    parameter_name = "provider"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> list[tuple[str, str]]:
        return [(alias, alias) for alias in imgmod_settings.providers]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ModerationRecord]) -> QuerySet[ModerationRecord]:
        value = self.value()
        return queryset.filter(provider=storable(value)) if value else queryset
