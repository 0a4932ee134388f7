"""The status column of a host's list. One query a page."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import models
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from ...registry import watched_fields
from ...services.showing.glances import glance_of, prefetch_glances
from ...services.showing.records import Image
from .wording import standing_of, words_of


def prefetch_column(objects: Iterable[models.Model]) -> None:
    """Find out about the images of a page of objects, all at once."""
    prefetch_glances([image for obj in objects for image in _images(obj)])


def status_cell(obj: models.Model) -> SafeString | None:
    """Return how an object's images stand, a line for each; None where it has none."""
    lines = ((_told(image),) for image in _images(obj))
    return format_html_join("", '<span class="imgmod-line">{}</span>', lines) or None


def _images(obj: models.Model) -> list[Image]:
    return [Image(obj, watched) for watched in watched_fields(type(obj)) if watched.file_name(obj)]


def _told(image: Image) -> SafeString:
    glance = glance_of(image)
    mark = format_html(
        '<span class="imgmod-mark imgmod-is-{}">{}</span>',
        standing_of(glance.status, is_public=glance.is_visible),
        words_of(glance.status, is_public=glance.is_visible),
    )
    if len(watched_fields(type(image.obj))) == 1:
        return mark
    return format_html('<span class="imgmod-of">{}</span> {}', capfirst(image.watched.field.verbose_name), mark)
