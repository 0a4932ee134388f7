"""Who uploaded an image: from what a site says, such as ``album__owner``, to the key of a user."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import models

# What only the row can tell.
NOT_IN_MEMORY: Final = object()


@dataclass(frozen=True, slots=True)
class UploaderPath:
    """A way from a model to the key of a user."""

    relations: tuple[str, ...]
    """The foreign keys to follow."""

    attname: str
    """The attribute, of what they lead to, that holds the key."""

    @property
    def lookup(self) -> str:
        """The same for a query."""
        return "__".join([*self.relations, self.attname])

    def read(self, instance: models.Model) -> Any:
        """Return the key, None where there is no user, ``NOT_IN_MEMORY`` where the database would have to be asked."""
        holder: Any = instance
        for name in self.relations:
            field: Any = holder._meta.get_field(name)
            if holder.__dict__.get(field.attname, field) is None:
                return None
            if not field.is_cached(holder):
                return NOT_IN_MEMORY
            holder = field.get_cached_value(holder)
        value = holder.__dict__.get(self.attname, NOT_IN_MEMORY)
        # An expression, such as a default of the database's.
        return NOT_IN_MEMORY if hasattr(value, "resolve_expression") else value


@cache
def uploader_path(model: type[models.Model], path: str) -> UploaderPath | None:
    """
    Return where a path leads that names foreign keys as a query does, None where it leads to no user.

    The last name is a foreign key to the user model or, where the row is the user or has the user's key, ``pk``.
    """
    relations: list[str] = []
    *names, last = path.split("__")
    holder: Any = model
    for name in names:
        field = _field(holder, name)
        if field is None or not field.remote_field:
            return None
        relations.append(field.name)
        holder = field.related_model
    field = _field(holder, last)
    user_model = get_user_model()
    if field is None:
        return None
    if user_model._meta.pk in _keys(field):
        return UploaderPath(tuple(relations), field.attname)
    if field.remote_field and issubclass(field.related_model, user_model):
        # Its values are not the users' keys.
        return UploaderPath((*relations, field.name), user_model._meta.pk.attname)
    return None


def _field(model: type[models.Model], name: str) -> Any:
    """Return a field with a column of its own, None where the model has none of that name."""
    try:
        field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    return field if getattr(field, "concrete", False) and not field.many_to_many else None


def _keys(field: Any) -> Iterator[Any]:
    """Yield a field and, of a foreign key, those whose values it holds."""
    yield field
    while field.remote_field:
        field = field.target_field
        yield field
