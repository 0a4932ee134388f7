"""Private handlers of the host models' signals. They only call services."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from django.apps import apps
from django.db import models
from django.db.models.fields.files import FieldFile
from django.db.models.signals import post_delete, post_save, pre_save

from .exceptions import ImgmodConfigurationError
from .registry import watched_fields
from .services import intake

_UPLOADED: Final = "_imgmod_uploaded"


def connect() -> None:
    """
    Listen to the models whose saving writes a watched field, and to no others.

    A receiver for all models would cost every project its fast deletes. Safe to call again when the settings change.
    """
    for model in apps.get_models(include_auto_created=True):
        for signal, handler in _HANDLERS:
            uid = f"django_imgmod.{handler.__name__}"
            if _is_to_be_heard(model):
                signal.connect(handler, sender=model, dispatch_uid=uid)
            else:
                signal.disconnect(sender=model, dispatch_uid=uid)


def _is_to_be_heard(model: type[models.Model]) -> bool:
    """
    Whether saves of the model concern us.

    Where the settings cannot be read, every model with a file field is: its save then fails with the error that
    names the mend, which is better than images that nobody looks at.
    """
    try:
        return bool(watched_fields(model))
    except ImgmodConfigurationError:
        return any(isinstance(field, models.FileField) for field in model._meta.concrete_fields)


def note_uploads(sender: type[models.Model], instance: models.Model, **kwargs: Any) -> None:
    """
    Before the save: note which fields bring new bytes.

    Only an addition to the comparison of names, for storages that overwrite: ``image.save()`` has written its bytes
    already when this is called.
    """
    uploaded = set()
    for watched in watched_fields(sender):
        # Straight from __dict__: a deferred field must not be loaded.
        if watched.field.attname in instance.__dict__:
            file = getattr(instance, watched.field.attname)
            if isinstance(file, FieldFile) and file and not getattr(file, "_committed", True):
                uploaded.add(watched.name)
    if uploaded:
        setattr(instance, _UPLOADED, uploaded)


def open_records(
    sender: type[models.Model],
    instance: models.Model,
    created: bool,
    raw: bool,
    using: str,
    update_fields: Collection[str] | None,
    **kwargs: Any,
) -> None:
    """After the save: hand the fields that were written to the intake. Fixtures are left to ``imgmod_reconcile``."""
    uploaded = instance.__dict__.pop(_UPLOADED, ())
    if raw:
        return
    written = [
        watched
        for watched in watched_fields(sender)
        if update_fields is None or {watched.name, watched.field.attname} & set(update_fields)
    ]
    if written:
        intake.object_saved(instance, written, using=using, is_created=created, uploaded=uploaded)


def supersede_records(sender: type[models.Model], instance: models.Model, using: str, **kwargs: Any) -> None:
    """After the delete: nothing is left to moderate. A parent's row, and its image, has a signal of its own."""
    gone = [watched for watched in watched_fields(sender) if watched.model is sender._meta.concrete_model]
    if gone:
        intake.object_deleted(instance, gone, using=using)


_HANDLERS: Final = ((pre_save, note_uploads), (post_save, open_records), (post_delete, supersede_records))
