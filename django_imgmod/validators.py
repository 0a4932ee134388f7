"""Refusing an upload at once, in a form or a serializer."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.core.files import File
from django.db.models.fields.files import FieldFile
from django.utils.deconstruct import deconstructible
from django.utils.translation import gettext_lazy as _

from .exceptions import ImgmodConfigurationError
from .providers import providers
from .registry import WatchedField, get_watched_field
from .services.prejudging import Upload, is_refusable


@deconstructible
class HighRiskValidator:
    """
    Refuse an upload that is of high risk and that the field's policy blocks; let everything else through.

    ``HighRiskValidator("shop.Product.image")`` asks the provider of that watched field, which has to answer at once,
    while the form waits. What is uncertain is not refused, nor what could not be judged: it is held by its record, as
    without this. What is stored already is not looked at. The file is left at the position where it was.

    Raises ``ValidationError`` with the code ``high_risk``; ``ImgmodConfigurationError`` for a field that is not
    watched, and for a provider that does not answer at once.
    """

    message = _("This picture was refused: it seems to show what may not be published here. Please choose another one.")
    code = "high_risk"

    def __init__(self, field: str, message: Any = None) -> None:
        """``field`` is a watched field, ``app.Model.field``."""
        self.field = field
        if message is not None:
            self.message = message

    def __call__(self, value: Any) -> None:
        is_stored = isinstance(value, FieldFile) and vars(value)["_committed"]
        if not isinstance(value, File) or is_stored:
            return
        watched = self._watched()
        limit = providers[watched.provider].max_bytes
        if is_refusable(watched, Upload(value.name or "", _beginning(value, limit + 1))):
            raise ValidationError(self.message, code=self.code)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and (self.field, self.message) == (other.field, other.message)

    def __hash__(self) -> int:
        return hash(self.field)

    def _watched(self) -> WatchedField:
        model_label, _dot, name = self.field.rpartition(".")
        try:
            model = apps.get_model(model_label)
        except (LookupError, ValueError):
            raise ImgmodConfigurationError(
                f'HighRiskValidator("{self.field}"): there is no such model. Name a field as "app.Model.field".'
            ) from None
        watched = get_watched_field(model, name)
        if watched is None:
            raise ImgmodConfigurationError(
                f'HighRiskValidator("{self.field}"): that field is not watched. Name it in IMGMOD["FIELDS"] or with '
                "@moderate."
            )
        return watched


def _beginning(file: File[Any], count: int) -> bytes:
    """Return so many bytes of a file from its beginning, and leave it where it was."""
    position = file.tell()
    try:
        file.seek(0)
        return bytes(file.read(count))
    finally:
        file.seek(position)
