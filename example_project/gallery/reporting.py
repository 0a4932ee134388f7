"""What the demos say of a record and of the site, for their tables."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.management.color import Style as Palette

from django_imgmod.choices import Status
from django_imgmod.models import ModerationRecord

from .tables import Style


def format_of(record: ModerationRecord) -> str:
    """Return format and size in pixels, as far as they are known."""
    pixels = f"{record.width} x {record.height}" if record.width else ""
    return f"{record.image_format or '-'} {pixels}".strip()


def labels_of(record: ModerationRecord) -> str:
    """Return what was seen, the surest first. One query."""
    return ", ".join(map(str, record.detected_labels.order_by("-confidence"))) or "-"


def style_of(record: ModerationRecord, palette: Palette) -> Style:
    """Return the colour of a record's status."""
    styles: dict[str, Style] = {
        Status.PASSED: palette.SUCCESS,
        Status.IN_REVIEW: palette.WARNING,
        Status.BLOCKED: palette.ERROR,
    }
    return styles.get(record.status, palette.HTTP_INFO)


def addresses_of(site: str) -> Iterator[str]:
    """Yield a line for each page to look at. ``site`` ends in a slash."""
    rows = (
        ("Gallery", site, "for everybody"),
        ("Upload", f"{site}upload/", "log in as editor, password editor"),
        ("Review", f"{site}admin/django_imgmod/moderationrecord/review/", "as moderator, password moderator"),
        ("Admin", f"{site}admin/", "as admin, password admin; or as moderator"),
    )
    width = max(len(address) for _, address, _ in rows)
    for name, address, login in rows:
        yield f"{name:<8} {address:<{width}}  {login}"
