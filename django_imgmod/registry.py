"""
Watched fields: which image fields are moderated, by which provider, under which policy.

A field belongs to the concrete model that defines it. Its children by multi-table inheritance and its proxies save the
same row, so they lead to the same record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, TypeVar

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.core.signals import setting_changed
from django.db import models
from django.dispatch import receiver

from .conf import ALL_FIELDS, DEFAULT_ALIAS, imgmod_settings
from .uploaders import UploaderPath, uploader_path

# What @moderate leaves on a class. Subclasses of an abstract model inherit it.
_DECLARED: Final = "_imgmod_declared"

M = TypeVar("M", bound=type[models.Model])


@dataclass(frozen=True, slots=True)
class WatchedField:
    """One image field that is moderated."""

    model: type[models.Model]
    """The concrete model that defines it."""
    name: str
    provider: str = DEFAULT_ALIAS
    policy: str = DEFAULT_ALIAS
    uploader: str = ""
    """Where a row names its uploader, as in a query: ``owner``, ``album__owner``. Empty where nobody is named."""
    keep_last_accepted: bool = False
    """Whether the picture that was passed last stays live while the one that replaced it is not."""

    @property
    def label(self) -> str:
        """``app.Model.field``, as in the settings."""
        return f"{self.model._meta.label}.{self.name}"

    @property
    def field(self) -> models.FileField:
        field = self.model._meta.get_field(self.name)
        assert isinstance(field, models.FileField)  # noqa: S101 - watched_fields() yields no others
        return field

    def file_name(self, instance: models.Model) -> str:
        """Return the stored name of an instance's file, empty where it has none."""
        return getattr(instance, self.field.attname).name or ""

    def object_id(self, instance: models.Model) -> str:
        """Return the key, as text, of the row that holds the field: the parent's, for a child by inheritance."""
        return object_id_of(self.model, instance)

    @property
    def uploader_path(self) -> UploaderPath | None:
        """Where ``uploader`` leads; None where nobody is named, or the path leads to no user from this model."""
        return uploader_path(self.model, self.uploader) if self.uploader else None


def object_id_of(model: type[models.Model], instance: models.Model) -> str:
    """
    Return the key of ``instance`` as a row of ``model``, as text: ``42``, a UUID with hyphens, a string as it is.

    The same text whatever the key was given as: a UUID may still be a string in memory.
    """
    return str(key_field_of(model).to_python(getattr(instance, model._meta.pk.attname)))


def key_field_of(model: type[models.Model]) -> models.Field[Any, Any]:
    """Return the field that holds the values of a model's key: through a one-to-one key, that of its target."""
    field: Any = model._meta.pk
    while field.remote_field:
        field = field.target_field
    key_field: models.Field[Any, Any] = field
    return key_field


def moderate(
    *field_names: str,
    provider: str = DEFAULT_ALIAS,
    policy: str = DEFAULT_ALIAS,
    uploader: str = "",
    keep_last_accepted: bool | None = None,
) -> Callable[[M], M]:
    """
    Watch image fields of the decorated model.

    Fields named here are watched whatever ``IMGMOD["FIELDS"]`` says; an entry there overrides what is said here, and
    ``IMGMOD["EXCLUDE"]`` has the last word. Decorate the model that defines the field, which may be abstract.
    ``uploader`` says where a row names the user who uploaded, as in a query: "owner", "album__owner"; "pk" where the
    row is the user. ``keep_last_accepted`` lets the picture that was passed last stay live while the one that replaced
    it is not. Names that do not exist are reported by system checks (imgmod.E021, imgmod.E027). Raises ``TypeError``
    where no field is named.
    """
    if not field_names or not all(isinstance(name, str) for name in field_names):
        raise TypeError('@moderate needs the names of the fields to watch: @moderate("image").')

    def declare(model: M) -> M:
        options: dict[str, Any] = {"provider": provider, "policy": policy}
        # What is not said here is left to IMGMOD["FIELDS"]["__all__"].
        if uploader:
            options["uploader"] = uploader
        if keep_last_accepted is not None:
            options["keep_last_accepted"] = keep_last_accepted
        setattr(model, _DECLARED, {**_declared(model), **dict.fromkeys(field_names, options)})
        return model

    return declare


def _declared(model: type[models.Model]) -> Mapping[str, Mapping[str, Any]]:
    declared: Mapping[str, Mapping[str, Any]] = getattr(model, _DECLARED, {})
    return declared


@cache
def watched_fields(model: type[models.Model]) -> tuple[WatchedField, ...]:
    """Return the watched fields whose columns saving ``model`` writes, inherited ones included."""
    if model._meta.app_label == "django_imgmod":
        return ()
    return tuple(
        watched
        for field in model._meta.concrete_fields
        if isinstance(field, models.FileField) and (watched := _resolve(field)) is not None
    )


def get_watched_field(model: type[models.Model], field_name: str) -> WatchedField | None:
    """Return the watched field of that name, or None where the field is not watched."""
    return next((watched for watched in watched_fields(model) if watched.name == field_name), None)


def all_watched_fields() -> Iterator[WatchedField]:
    """Yield each watched field of the installed models once, in the order of the apps."""
    seen = set()
    for model in apps.get_models(include_auto_created=True):
        for watched in watched_fields(model):
            if watched.label not in seen:
                seen.add(watched.label)
                yield watched


def _resolve(field: models.FileField) -> WatchedField | None:
    owner = field.model._meta.concrete_model
    assert owner is not None  # noqa: S101 - only an abstract model has none, and its fields are copied
    if has_composite_key(owner):
        return None
    label = f"{owner._meta.label}.{field.name}"
    if imgmod_settings.exclude & {label, owner._meta.label}:
        return None
    configured = imgmod_settings.fields
    declared = _declared(owner)
    options: dict[str, Any] = {}
    if isinstance(field, models.ImageField):
        options |= configured.get(ALL_FIELDS, {})
    options |= declared.get(field.name, {})
    options |= configured.get(label, {})
    is_watched = (
        label in configured
        or field.name in declared
        or (ALL_FIELDS in configured and isinstance(field, models.ImageField))
    )
    if not is_watched:
        return None
    return WatchedField(owner, field.name, **options)


def has_composite_key(model: type[models.Model]) -> bool:
    """Whether rows of ``model`` have a key of several columns, which a record cannot name."""
    return isinstance(model._meta.pk, models.CompositePrimaryKey)


def undefined_declarations() -> Iterator[tuple[type[models.Model], str]]:
    """Yield each model and name given to ``@moderate``, on it or its abstract parents, that is no file field of it."""
    for model in apps.get_models(include_auto_created=True):
        # A child by multi-table inheritance has its parents' declarations, which are checked there.
        inherited = {name for parent in model._meta.all_parents for name in _declared(parent)}
        for name in {*_declared(model)} - inherited | {*model.__dict__.get(_DECLARED, ())}:
            try:
                field = model._meta.get_field(name)
            except FieldDoesNotExist:
                yield model, name
                continue
            if not isinstance(field, models.FileField) or field.model is not model:
                yield model, name


@receiver(setting_changed)
def forget_watched_fields(*, setting: str, **kwargs: object) -> None:
    """Resolve the watched fields anew after ``override_settings``."""
    if setting in {"IMGMOD", "INSTALLED_APPS"}:
        watched_fields.cache_clear()
