"""Image fields for the site's own serializers."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.conf import settings
from django.db.models import Manager, QuerySet
from django.db.models.fields.files import FieldFile
from django.urls import NoReverseMatch, reverse
from rest_framework import serializers

from ..exceptions import ImgmodConfigurationError
from ..models import ModerationRecord
from ..registry import get_watched_field
from ..services.showing.glances import find_glances
from ..services.showing.links import status_token
from ..services.showing.pictures import Picture, picture_of, placeholder
from ..services.showing.progress import progress_of
from ..services.showing.records import Image, find_records, forget, leave, prefetched, record_of

logger = logging.getLogger("django_imgmod")

# Where what was found of the images of a page is kept: on its serializer.
_OF_PAGE: Final = "_imgmod_of_page"


class ModeratedImageField(serializers.ImageField):
    """
    A watched image field: written as the stock field, told as what may be shown of it and what its editor may know.

    ``with_status=False`` leaves out what is the editor's alone, for answers that anybody may read. One query for a page
    of ``many=True``, nested ones included that were prefetched; one more for the labels where editors see them. Null
    without a file.

    What is no watched field raises ``ImgmodConfigurationError`` under ``DEBUG``; otherwise a placeholder is told.
    """

    def __init__(self, *, with_status: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.with_status = with_status

    def to_representation(self, value: Any) -> Any:
        if not value:
            return None
        image = _image(value)
        if image is None:
            return self._told(_unwatched(value), None)
        if self._is_known(image):
            return self._of(image)
        # Left for this once: another serializer may tell of the same object, when its image is otherwise.
        leave([image], [self._found(image)])
        try:
            return self._of(image)
        finally:
            forget(image)

    def _of(self, image: Image) -> dict[str, Any] | None:
        picture = picture_of(image)
        if picture is None:
            return None
        return self._told(picture, record_of(image) if self.with_status else None)

    def _found(self, image: Image) -> Any:
        """Return what is to be known of an image. It is asked for once for all of a page, and kept for as long."""
        of_page = self.root.__dict__.setdefault(_OF_PAGE, {})
        if self._about(image) not in of_page:
            images = [image, *filter(None, map(_image, self._values_of_the_page()))]
            found: Iterable[Any] = find_records(images) if self.with_status else find_glances(images)
            of_page.update(zip(map(self._about, images), found, strict=True))
        return of_page[self._about(image)]

    def _about(self, image: Image) -> tuple[object, ...]:
        obj = image.obj
        return self.with_status, image.watched, type(obj), obj._state.db, obj.pk, image.file_name

    def _told(self, picture: Picture, record: ModerationRecord | None) -> dict[str, Any]:
        """As ``ImageSerializer`` describes it, or ``PictureSerializer``."""
        told = {
            "url": self._absolute(picture.url),
            "width": picture.width,
            "height": picture.height,
            "is_placeholder": picture.is_placeholder,
            "is_last_accepted": picture.is_last_accepted,
        }
        if not self.with_status:
            return told
        progress = progress_of(record, may_ask=False)
        return {
            **told,
            "status": progress.status,
            "message": progress.message,
            "reason": progress.reason,
            "status_url": self._status_url(record),
        }

    def _status_url(self, record: ModerationRecord | None) -> str | None:
        if record is None:
            return None
        try:
            return self._absolute(reverse("django_imgmod_api:status", args=[status_token(record)]))
        except NoReverseMatch:
            # The site has no addresses for the API.
            return None

    def _absolute(self, url: str) -> str:
        request = self.context.get("request")
        return url if request is None else str(request.build_absolute_uri(url))

    def _is_known(self, image: Image) -> bool:
        is_known, left = prefetched(image)
        return is_known and (not self.with_status or left is None or isinstance(left, ModerationRecord))

    def _values_of_the_page(self) -> list[Any]:
        """Return what this field will be given of all objects of the page, as far as they are in memory."""
        steps: list[Any] = []
        node: Any = self
        while node.parent is not None:
            steps.append(node)
            node = node.parent
        values = _items(node.instance) if isinstance(node, serializers.ListSerializer) else [node.instance]
        for step in reversed(steps):
            # The serializer of the items of a list is given the items themselves.
            if not isinstance(step.parent, serializers.ListSerializer):
                values = [value for parent in values for value in _attributes(step, parent)]
        return values


def _attributes(field: Any, obj: Any) -> Iterable[Any]:
    """Return what a field is given of an object; of a list its items."""
    try:
        value = field.get_attribute(obj)
    except Exception:  # noqa: BLE001 - it is said when it is this object's turn
        return []
    return _items(value) if isinstance(field, serializers.ListSerializer) else [value]


def _items(objects: Any) -> list[Any]:
    """Return the items of a list that are in memory; nothing is fetched for it."""
    if isinstance(objects, Manager):
        objects = objects.all()
    if isinstance(objects, QuerySet):
        objects = objects._result_cache
    return list(objects or ()) if not isinstance(objects, Iterator) else []


def _image(value: Any) -> Image | None:
    """Return an image as the services know it; None for what is no image of a watched field."""
    if not isinstance(value, FieldFile):
        return None
    watched = get_watched_field(type(value.instance), value.field.name)
    return None if watched is None else Image(value.instance, watched)


def _unwatched(value: Any) -> Picture:
    name = f"{type(value.instance)._meta.label}.{value.field.name}" if isinstance(value, FieldFile) else repr(value)
    message = (
        f"ModeratedImageField: {name} is not watched, so nobody has judged what it shows. Name it in "
        'IMGMOD["FIELDS"] or with @moderate, or use the stock ImageField where everything may be shown.'
    )
    if settings.DEBUG:
        raise ImgmodConfigurationError(message)
    logger.warning(message)
    return placeholder()
