"""
What a page shows of images, and what it tells their editors.

What is given to a tag must be an image of a watched field, such as ``photo.image``. What is not raises
``ImgmodConfigurationError`` under ``DEBUG``. Otherwise it is never shown: a placeholder stands in its place, and a
warning in the log names the mistake, once a process. What is empty, or has no file that was saved, renders as nothing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from django import template
from django.conf import settings
from django.db import models
from django.db.models.fields.files import FieldFile
from django.forms.utils import flatatt
from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from ..exceptions import ImgmodConfigurationError
from ..registry import get_watched_field
from ..services.showing.pictures import Picture, live_name, picture_of, placeholder
from ..services.showing.progress import progress_of
from ..services.showing.records import Image, record_of
from ..shortcuts import is_record_visible, prefetch_images

logger = logging.getLogger("django_imgmod")
register = template.Library()

_ATTRIBUTES: Final = {"loading": "lazy", "decoding": "async"}
# What is shown is decided here.
_OUR_ATTRIBUTES: Final = frozenset({"src", "srcset"})


@register.filter
def imgmod_url(image: Any) -> str:
    """
    Return the address of what may be shown of an image: of itself, or of what stands in its place.

    One query, none after ``imgmod_prefetch``. The storage is asked for the address, never whether the file exists.
    """
    picture = _picture(image)
    return picture.url if picture else ""


@register.filter
def imgmod_is_visible(image: Any) -> bool:
    """Return whether an image itself may be shown. One query, none after ``imgmod_prefetch``."""
    picture = _picture(image)
    return picture is not None and not (picture.is_placeholder or picture.is_last_accepted)


@register.simple_tag
def imgmod_image(image: Any, *, alt: Any, **attributes: Any) -> SafeString:
    """
    Return an ``<img>`` of what may be shown of an image, by the template ``django_imgmod/image.html``.

    ``alt`` says what the image shows; a placeholder says instead that it is not shown, unless ``alt`` is empty because
    the image only decorates. ``attributes`` are any others: an underscore in a name stands for a hyphen, True for an
    attribute without a value, and what is False or None is left out. Raises ``TemplateSyntaxError`` for one that cannot
    be given. The queries are those of ``imgmod_url``.
    """
    given = dict(_named(attributes))
    picture = _picture(image)
    if picture is None:
        return SafeString()
    words = "" if alt is None else str(alt)
    if words and picture.is_placeholder:
        words = gettext("This picture is not shown.")
    size = {} if {"width", "height"} & given.keys() else {"width": picture.width, "height": picture.height}
    context = {"picture": picture, "alt": words, "attributes": flatatt({**size, **_ATTRIBUTES, **given})}
    return _rendered("django_imgmod/image.html", context)


@register.simple_tag
def imgmod_status(image: Any) -> SafeString:
    """
    Return what the editor of an image may know of it, by the template ``django_imgmod/status.html``.

    One query, or none after ``imgmod_prefetch`` with ``with_status=True``; and one a minute for how long it takes.
    """
    try:
        found = _watched_image(image)
    except ImgmodConfigurationError as error:
        _complain(error)
        return SafeString()
    if found is None or not found.file_name:
        return SafeString()
    record = record_of(found)
    context = {
        "progress": progress_of(record),
        "is_last_accepted_shown": bool(not is_record_visible(record) and live_name(found, record)),
    }
    return _rendered("django_imgmod/status.html", context)


@register.simple_tag
def imgmod_prefetch(*given: Any, with_status: bool = False) -> str:
    """
    Ask about all images of a page at once, so that the tags need not: ``{% imgmod_prefetch page_obj "image" %}``.

    ``given`` are lists of objects, of one model or several, and the names of their fields; without names all watched
    fields are meant. Takes what the page then goes through itself: a list, a page of a paginator, a queryset that has
    a name. One query; renders as nothing.
    """
    names = [name for name in given if isinstance(name, str) and name]
    try:
        prefetch_images(_objects(given), *names, with_status=with_status)
    except ImgmodConfigurationError as error:
        _complain(error)
    return ""


def _objects(given: Iterable[Any]) -> Iterator[models.Model]:
    for one in given:
        if isinstance(one, models.Model):
            yield one
        elif one is not None and not isinstance(one, str):
            # What can be gone through once is left to the page.
            yield from map(_object, one if isinstance(one, Iterable) and not isinstance(one, Iterator) else [one])


def _object(one: Any) -> models.Model:
    if isinstance(one, models.Model):
        return one
    raise ImgmodConfigurationError(
        f"imgmod_prefetch takes lists of objects, querysets and the names of fields, not {type(one).__name__}."
    )


def _picture(image: Any) -> Picture | None:
    try:
        found = _watched_image(image)
    except ImgmodConfigurationError as error:
        _complain(error)
        return placeholder() if image else None
    return picture_of(found) if found else None


def _watched_image(image: Any) -> Image | None:
    """
    Return an image as the services know it; None for nothing at all, as a name that the context does not have is.

    Raises ``ImgmodConfigurationError`` for what is no image of a watched field.
    """
    if image is None or (isinstance(image, str) and not image):
        return None
    if not isinstance(image, FieldFile) or not isinstance(image.instance, models.Model):
        raise ImgmodConfigurationError(
            f"What a page shows must be the image field of an object, such as photo.image, not {type(image).__name__}."
        )
    model, name = type(image.instance), image.field.name
    watched = get_watched_field(model, name)
    if watched is None:
        raise ImgmodConfigurationError(
            f"{model._meta.label}.{name} is not watched, so nobody has judged what it shows. Name it in "
            'IMGMOD["FIELDS"] or with @moderate, or write .url where everything may be shown.'
        )
    return Image(image.instance, watched)


def _complain(error: ImgmodConfigurationError) -> None:
    if settings.DEBUG:
        raise error
    _warn(str(error))


@lru_cache
def _warn(message: str) -> None:
    """Once a process, as good as always: a page may name the same field for each of its pictures."""
    logger.warning("template: %s", message)


def _named(attributes: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for given, value in attributes.items():
        name = given.replace("_", "-")
        if not re.fullmatch("[a-z][a-z0-9-]*", name) or name in _OUR_ATTRIBUTES:
            raise template.TemplateSyntaxError(f'imgmod_image cannot give its <img> an attribute "{name}".')
        yield name, value


def _rendered(name: str, context: Mapping[str, Any]) -> SafeString:
    """In a context of its own, which escapes whatever the page does; without the line's end that a file ends with."""
    return SafeString(render_to_string(name, dict(context)).strip())
