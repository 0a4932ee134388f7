"""What is read: exactly what the schema says, and nothing that merely resembles it. What is not known is refused."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final

from django.db.models import TextChoices
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

# More are not named.
MAX_UNKNOWN: Final = 20
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DIGITS: Final = re.compile(r"[0-9]{1,18}")


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses members that it does not know: a misspelt one is an error, not a silent default."""

    is_of_address: ClassVar[bool] = False
    """Whether everything in it came as text."""

    def to_internal_value(self, data: Any) -> Any:
        given = data if isinstance(data, Mapping) else {}
        if unknown := [name for name in given if name not in self.fields][:MAX_UNKNOWN]:
            words = _("There is nothing of this name. There are: %(names)s.") % {"names": ", ".join(self.fields)}
            raise ValidationError({name: [words] for name in unknown}, code="unknown")
        return super().to_internal_value(data)


class TextField(serializers.CharField):
    """A string, as it is; no number that could be written as one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(trim_whitespace=False, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class NumberField(serializers.IntegerField):
    """A whole number; in an address its digits."""

    def to_internal_value(self, data: Any) -> int:
        is_whole = isinstance(data, int | float) and not isinstance(data, bool) and data == data // 1
        is_in_address = isinstance(data, str) and is_of_address(self) and _DIGITS.fullmatch(data)
        if not (is_whole or is_in_address):
            self.fail("invalid")
        return int(data)


class IdField(serializers.UUIDField):
    """A UUID as it is written usually."""

    def to_internal_value(self, data: Any) -> uuid.UUID:
        found = read_uuid(data)
        if found is None:
            self.fail("invalid", value=data)
        return found


class WordField(serializers.Field[Any, Any, Any, Any]):
    """One of some words; empty is None."""

    default_error_messages = {"unknown_word": _("This has to be one of: {words}.")}

    def __init__(
        self, words: type[TextChoices] | Callable[[], Iterable[str]], *, name: str = "", **options: Any
    ) -> None:
        """``name`` is what the schema calls the words; by default as the choices are called."""
        super().__init__(**options)
        self.choices: type[TextChoices] | None = (
            words if isinstance(words, type) and issubclass(words, TextChoices) else None
        )
        self.name = name or (self.choices.__name__ if self.choices else "")
        self._words: Any = words

    @property
    def words(self) -> list[str]:
        return list(self.choices.values if self.choices is not None else self._words())

    def to_internal_value(self, data: Any) -> str:
        words = self.words
        if not isinstance(data, str) or data not in words:
            self.fail("unknown_word", words=", ".join(words))
        return data

    def to_representation(self, value: Any) -> str | None:
        return str(value) or None


def is_of_address(field: serializers.Field[Any, Any, Any, Any]) -> bool:
    """Return whether a field is read from an address, where everything is text."""
    return isinstance(field.root, StrictSerializer) and field.root.is_of_address


def read_uuid(value: Any) -> uuid.UUID | None:
    """Return the UUID that is written in the usual way; None for all else."""
    return uuid.UUID(value) if isinstance(value, str) and _UUID.fullmatch(value) else None
