"""
The API's addresses: ``path("imgmod/api/", include("django_imgmod.rest.urls"))``.

With options: ``path("imgmod/api/", include(api_urls(authentication_classes=[…])))``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.urls import URLPattern, path

from ..exceptions import ImgmodConfigurationError
from .access import RATES
from .views import queue, records, statistics, status
from .views.base import ApiView

app_name: Final = "django_imgmod_api"

ROUTES: Final[Mapping[str, tuple[str, type[ApiView]]]] = {
    "record-list": ("records/", records.RecordListView),
    "record": ("records/<str:public_id>/", records.RecordView),
    "decide": ("records/<str:public_id>/decide/", records.DecideView),
    "escalate": ("records/<str:public_id>/escalate/", records.EscalateView),
    "queue": ("queue/", queue.QueueView),
    "claim": ("queue/claim/", queue.ClaimView),
    "release": ("queue/release/", queue.ReleaseView),
    "decide-many": ("decisions/", queue.DecideManyView),
    "batch-list": ("batches/", queue.BatchListView),
    "undo": ("batches/<str:batch>/undo/", queue.UndoView),
    "statistics": ("statistics/", statistics.StatisticsView),
    "status": ("status/<str:token>/", status.StatusView),
}
"""By the name of each address."""


def api_urls(*, throttle_rates: Mapping[str, str | None] | None = None, **options: Any) -> tuple[list[URLPattern], str]:
    """
    Return what ``include`` takes.

    ``authentication_classes`` replaces how people log in; ``throttle_rates`` changes rates by their scope, None for no
    limit. Any other attribute of ``ApiView`` can be named likewise. Raises ``ImgmodConfigurationError`` for a scope
    that does not exist.
    """
    given = throttle_rates or {}
    if unknown := given.keys() - RATES.keys():
        raise ImgmodConfigurationError(
            f"throttle_rates of the API has no scope {', '.join(map(repr, sorted(unknown)))}. "
            f"There are: {', '.join(RATES)}."
        )
    options["throttle_rates"] = {**RATES, **given}
    return [path(address, view.as_view(**options), name=name) for name, (address, view) in ROUTES.items()], app_name


urlpatterns = api_urls()[0]
