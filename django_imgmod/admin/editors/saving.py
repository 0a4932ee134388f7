"""What an editor is told after saving: what has become of the images that this save changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.db import models
from django.http import HttpRequest
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from ...registry import watched_fields
from ...services.showing.progress import progress_of
from ...services.showing.records import Image, find_records
from .wording import Standing, quotable, standing_of

_LEVELS: Final[Mapping[Standing, int]] = {
    Standing.PUBLIC: messages.SUCCESS,
    Standing.CHECKING: messages.INFO,
    Standing.HELD: messages.WARNING,
    Standing.BLOCKED: messages.WARNING,
    Standing.UNCHECKED: messages.WARNING,
}


def tell_saved(request: HttpRequest, model_admin: Any, saved: Iterable[forms.ModelForm[Any]]) -> None:
    """
    Tell what becomes of each image that the forms of a page have changed; nothing where they changed none.

    After the transaction: by then a dispatcher may have had them judged. One query for all, and one for each kind of
    wait.
    """
    images = [image for form in saved for image in _changed_images(form)]
    for image, record in zip(images, find_records(images), strict=True):
        progress = progress_of(record)
        words = _("%(field)s “%(file)s”: saved. %(progress)s") % {
            "field": capfirst(image.watched.field.verbose_name),
            "file": quotable(image.file_name),
            "progress": " ".join(filter(None, (progress.message, progress.reason, progress.expected))),
        }
        level = _LEVELS[standing_of(progress.status, is_public=progress.is_public)]
        model_admin.message_user(request, words, level, fail_silently=True)


def _changed_images(form: forms.ModelForm[Any]) -> Iterator[Image]:
    """Yield the images that an object has got by a form, whether its user or the site's own code has put them there."""
    obj: models.Model = form.instance
    if obj.pk is None or obj._state.adding:
        return  # an empty row, or a deleted one
    for watched in watched_fields(type(obj)):
        name = watched.file_name(obj)
        before = form.initial.get(watched.name, name)
        if name and (watched.name in form.changed_data or name != (getattr(before, "name", before) or "")):
            yield Image(obj, watched)
