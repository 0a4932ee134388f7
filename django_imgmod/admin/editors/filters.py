"""The filter beside a host's list, by how an image stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.db.models import Count, Exists, Field, Model, OuterRef, Q, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from ...registry import get_watched_field
from ...services.showing.visibility import filter_status, filter_unrecorded, filter_visible
from .wording import STATUSES, Standing


class ModerationStatusFilter(admin.FieldListFilter):
    """
    ``list_filter = [("image", ModerationStatusFilter)]``, once for each watched field.

    Nothing is shown for a field that is not watched. Choosing raises ``ImgmodConfigurationError`` where records are
    kept in another database than the objects.
    """

    def __init__(
        self,
        field: Field[Any, Any],
        request: HttpRequest,
        params: dict[str, Any],
        model: type[Model],
        model_admin: admin.ModelAdmin[Any],
        field_path: str,
    ) -> None:
        self.parameter_name = f"{field_path}__moderation"
        self.watched = get_watched_field(model, field_path)
        super().__init__(field, request, params, model, model_admin, field_path)
        self.title = _("status of %(field)s") % {"field": self.title}
        # Of what an address says several times, the last counts.
        *_others, self.chosen = cast("list[str | None]", self.used_parameters.get(self.parameter_name) or [None])

    def expected_parameters(self) -> list[str | None]:
        return [self.parameter_name]

    def has_output(self) -> bool:
        return self.watched is not None

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.chosen is None or self.watched is None:
            return queryset
        try:
            return self._standing(queryset, Standing(self.chosen))
        except ValueError as error:
            raise IncorrectLookupParameters(error) from error

    def choices(self, changelist: ChangeList) -> Iterator[Any]:
        counts = self.get_facet_queryset(changelist) if changelist.add_facets else {}
        yield {
            "selected": self.chosen is None,
            "query_string": changelist.get_query_string(remove=[self.parameter_name]),
            "display": _("All"),
        }
        for standing in Standing:
            count = f" ({counts[standing]})" if counts else ""
            yield {
                "selected": self.chosen == standing,
                "query_string": changelist.get_query_string({self.parameter_name: standing}),
                "display": f"{standing.label}{count}",
            }

    def get_facet_counts(self, pk_attname: str, filtered_qs: QuerySet[Any]) -> dict[str, Any]:
        return {
            standing: Count(pk_attname, filter=Q(pk__in=self._standing(filtered_qs, standing).values("pk")))
            for standing in Standing
        }

    def _standing(self, queryset: QuerySet[Any], standing: Standing) -> QuerySet[Any]:
        assert self.watched is not None  # noqa: S101 - as has_output() says
        if standing == Standing.PUBLIC:
            return filter_visible(queryset, self.watched)
        if standing == Standing.UNCHECKED:
            return filter_unrecorded(queryset, self.watched)
        rows = queryset.model._base_manager.using(queryset.db).filter(pk=OuterRef("pk"))
        of_status = filter_status(queryset, self.watched, STATUSES[standing])
        return of_status.exclude(Exists(filter_visible(rows, self.watched)))
