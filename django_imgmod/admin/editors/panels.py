"""The panel under an image field: what becomes of the picture, and what its editor can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from ...models import ModerationRecord
from ...services.showing.pictures import live_name
from ...services.showing.progress import Progress, progress_of
from ...services.showing.records import Image, record_of
from .spots import Spot
from .wording import Standing, quotable, standing_of

TEMPLATES: Final = "admin/django_imgmod/editors"


@dataclass(frozen=True, kw_only=True, slots=True)
class LastAccepted:
    """The picture that was accepted before the one that is not public."""

    file_name: str
    url: str
    """Empty where its storage has no addresses."""

    is_live: bool
    """Whether the site goes on showing it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """What the template is told."""

    spot: Spot
    standing: Standing
    progress: Progress
    last_accepted: LastAccepted | None
    input_id: str = ""
    """Of the field by which the picture is replaced; empty where it cannot be."""

    @property
    def may_appeal(self) -> bool:
        return self.spot.may_change and self.progress.may_appeal


def render_panel(spot: Spot, *, input_id: str = "", may_ask: bool = False) -> SafeString:
    """
    Return the panel of an image.

    No query for an image of ``prefetch_records``, unless ``may_ask`` lets it find out how long it usually takes. That
    is told anyway where it is known already.
    """
    record = record_of(spot.image)
    progress = progress_of(record, may_ask=may_ask)
    panel = Panel(
        spot=spot,
        standing=standing_of(progress.status, is_public=progress.is_public),
        progress=progress,
        last_accepted=None if record is None or progress.is_public else _last_accepted(spot.image, record),
        input_id=input_id,
    )
    return render_to_string(f"{TEMPLATES}/panel.html", {"panel": panel})


def _last_accepted(image: Image, record: ModerationRecord) -> LastAccepted | None:
    name = record.last_accepted_name
    if not name:
        return None
    try:
        url = image.watched.field.storage.url(name)
    except (NotImplementedError, ValueError):
        url = ""  # nobody is meant to fetch from this storage
    return LastAccepted(file_name=quotable(name), url=url, is_live=bool(live_name(image, record)))
