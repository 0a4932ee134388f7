"""The addresses of the review desk, all behind the admin's own door."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from django.contrib.admin import ModelAdmin
from django.http.response import HttpResponseBase
from django.urls import URLPattern, path

from . import actions
from .desk import desk_view
from .export import decisions_view
from .grid import grid_view
from .media import media_view
from .preferences import preferences_view
from .statistics import statistics_view

# Below "review/": the address, the end of its name, the view, which is given the admin site.
ROUTES: Final[tuple[tuple[str, str, Callable[..., HttpResponseBase]], ...]] = (
    ("", "review", desk_view),
    ("claim/", "review_claim", actions.claim_view),
    ("decide/", "review_decide", actions.decide_view),
    ("escalate/", "review_escalate", actions.escalate_view),
    ("skip/", "review_skip", actions.skip_view),
    ("undo/", "review_undo", actions.undo_view),
    ("release/", "review_release", actions.release_view),
    ("heartbeat/", "review_heartbeat", actions.heartbeat_view),
    ("links/", "review_links", actions.links_view),
    ("revealed/", "review_revealed", actions.revealed_view),
    ("preferences/", "review_preferences", preferences_view),
    ("grid/", "review_grid", grid_view),
    ("statistics/", "review_statistics", statistics_view),
    ("decisions.csv", "review_decisions", decisions_view),
    ("media/<str:token>/", "review_media", media_view),
)


def review_urls(model_admin: ModelAdmin[Any]) -> list[URLPattern]:
    """Return the patterns of every page and action of the desk."""
    site = model_admin.admin_site
    return [
        path(
            f"review/{address}",
            site.admin_view(partial(view, site=site)),
            name=f"django_imgmod_moderationrecord_{name}",
        )
        for address, name, view in ROUTES
    ]
