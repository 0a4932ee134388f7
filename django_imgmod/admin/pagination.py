"""Pages over a table that is too long to be counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.functional import cached_property

if TYPE_CHECKING:
    _Paginator = Paginator[Any]
else:
    _Paginator = Paginator

MAX_COUNT: Final = 10_000


class BoundedPaginator(_Paginator):
    """Count, and page through, the first ``MAX_COUNT`` rows at most: no page costs more than reading that many."""

    @cached_property
    def count(self) -> int:
        return min(self._counted, MAX_COUNT)

    @property
    def is_bounded(self) -> bool:
        """Whether there are more rows than are counted."""
        return self._counted > MAX_COUNT

    @cached_property
    def _counted(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by().values("pk")[: MAX_COUNT + 1].count()


class RecordChangeList(ChangeList):
    """The list of records; how many there are stands below it, once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        if not self.query:
            # Two equal numbers keep the search form from telling the bounded count as if it were exact.
            self.full_result_count = self.result_count
