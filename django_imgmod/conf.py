"""
The settings: one dict, ``IMGMOD``, read when it is needed and never before.

Each key stands once, in ``SETTINGS``, with its type and its default; the checks and the documentation's test read the
same table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from inspect import isabstract
from typing import Any, Final, TypeVar

from django.conf import settings as django_settings
from django.utils.module_loading import import_string

from .editing import EditorOptions, parse_editors
from .exceptions import ImgmodConfigurationError
from .policy import Policy, parse_policy
from .reviewing import ReviewOptions, parse_review

ALL_FIELDS: Final = "__all__"
DEFAULT_ALIAS: Final = "default"
PROVIDER_OPTIONS: Final = ("BACKEND", "OPTIONS", "PRICE_PER_1000")
# As much as a record has room for.
MAX_NAME_LENGTH: Final = 50
MAX_KEY_LENGTH: Final = 255

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SettingSpec:
    """What one key accepts."""

    types: tuple[type, ...]
    default: Any
    meaning: str


SETTINGS: Final[Mapping[str, SettingSpec]] = {
    "PROVIDERS": SettingSpec(
        (Mapping,),
        {DEFAULT_ALIAS: {"BACKEND": "django_imgmod.providers.local.LocalProvider"}},
        'a dict of aliases, each {"BACKEND": dotted path, "OPTIONS": dict, "PRICE_PER_1000": "1.20 USD"}',
    ),
    "FIELDS": SettingSpec(
        (str, Sequence, Mapping),
        ALL_FIELDS,
        '"__all__", a list of "app.Model.field", or a dict of them with {"provider": …, "policy": …, "uploader": …, '
        '"keep_last_accepted": …}',
    ),
    "EXCLUDE": SettingSpec((Sequence,), (), 'a list of "app.Model" or "app.Model.field"'),
    "POLICIES": SettingSpec((Mapping,), {DEFAULT_ALIAS: {}}, "a dict of policies by name"),
    "DISPATCHER": SettingSpec(
        (str,), "django_imgmod.dispatch.InlineDispatcher", "the dotted path of a dispatcher class"
    ),
    "CALLBACK_BASE_URL": SettingSpec(
        (str, type(None)), None, 'the site\'s own address, such as "https://site.example", or None'
    ),
    "EDITORS": SettingSpec((Mapping,), {}, "a dict of what editors are told"),
    "PLACEHOLDER": SettingSpec(
        (str,), "django_imgmod/placeholder.svg", "the name of a static file, or a web address, of a picture"
    ),
    "REVIEW": SettingSpec((Mapping,), {}, "a dict of what the review desk is to be like"),
    "UNRECORDED": SettingSpec((str,), "hide", '"hide" or "show"'),
}


@dataclass(frozen=True, slots=True)
class Price:
    """What a thousand calls of a provider cost."""

    per_1000: Decimal
    currency: str
    """In the site's own words."""

    def of(self, call_count: int) -> str:
        """Return what so many calls cost, with the currency."""
        return f"{self.per_1000 * call_count / 1000:,.2f} {self.currency}"


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """One entry of ``PROVIDERS``. OPTIONS may hold secrets and never show."""

    backend: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    price: Price | None = None


class Settings:
    """
    Typed access to ``IMGMOD``.

    Nothing is kept: each property reads Django's settings anew, so ``override_settings`` works without any reset.
    A property raises ``ImgmodConfigurationError`` where its part of the dict cannot be used.
    """

    def value(self, key: str) -> Any:
        """Return a key's value or its default, after checking its type."""
        spec = SETTINGS[key]
        value = self.given.get(key, spec.default)
        # A string is a sequence too, but never what a list is asked for.
        if not isinstance(value, spec.types) or (isinstance(value, str) and str not in spec.types):
            raise ImgmodConfigurationError(f'IMGMOD["{key}"] must be {spec.meaning}, not {value!r}.')
        return value

    @property
    def given(self) -> Mapping[str, Any]:
        """The dict as the site wrote it."""
        given = getattr(django_settings, "IMGMOD", {})
        if not isinstance(given, Mapping):
            raise ImgmodConfigurationError(f"IMGMOD must be a dict, not {type(given).__name__}.")
        return given

    @property
    def providers(self) -> dict[str, ProviderConfig]:
        return {alias: _provider_config(alias, entry) for alias, entry in self.value("PROVIDERS").items()}

    @property
    def policies(self) -> dict[str, Policy]:
        """All policies by name; "default" always exists."""
        entries = {DEFAULT_ALIAS: {}, **self.value("POLICIES")}
        for name in entries:
            _require_name(f'A key of IMGMOD["POLICIES"], {name!r},', name)
        return {name: parse_policy(name, options) for name, options in entries.items()}

    def policy(self, name: str) -> Policy:
        """Return one policy; raises ``ImgmodConfigurationError`` for a name that is not configured."""
        entries = {DEFAULT_ALIAS: {}, **self.value("POLICIES")}
        if name not in entries:
            raise ImgmodConfigurationError(
                f'There is no policy "{name}" in IMGMOD["POLICIES"]. There are: {", ".join(entries)}.'
            )
        return parse_policy(name, entries[name])

    @property
    def shadow_policies(self) -> frozenset[str]:
        """The names of the policies whose images show whatever their status."""
        return frozenset(name for name, policy in self.policies.items() if policy.is_shadow)

    @property
    def fields(self) -> dict[str, Mapping[str, Any]]:
        """``FIELDS`` in its longest form: options by "app.Model.field", or by ``ALL_FIELDS`` for all others."""
        value = self.value("FIELDS")
        if isinstance(value, Mapping):
            _require_strings("FIELDS", value)
            return {label: _field_options(label, options) for label, options in value.items()}
        if isinstance(value, str):
            if value != ALL_FIELDS:
                raise ImgmodConfigurationError(f'IMGMOD["FIELDS"] must be {SETTINGS["FIELDS"].meaning}, not {value!r}.')
            return {ALL_FIELDS: {}}
        _require_strings("FIELDS", value)
        return {label: {} for label in value}

    @property
    def exclude(self) -> frozenset[str]:
        value = self.value("EXCLUDE")
        _require_strings("EXCLUDE", value)
        return frozenset(value)

    @property
    def editors(self) -> EditorOptions:
        return parse_editors(self.value("EDITORS"))

    @property
    def placeholder(self) -> str:
        """What is shown in the place of a picture that may not be: the name of a static file, or a web address."""
        value = self.value("PLACEHOLDER")
        if not value:
            raise ImgmodConfigurationError(f'IMGMOD["PLACEHOLDER"] must be {SETTINGS["PLACEHOLDER"].meaning}.')
        return str(value)

    @property
    def review(self) -> ReviewOptions:
        return parse_review(self.value("REVIEW"))

    @property
    def dispatcher(self) -> str:
        return str(self.value("DISPATCHER"))

    @property
    def callback_base_url(self) -> str | None:
        value: str | None = self.value("CALLBACK_BASE_URL")
        return value

    @property
    def shows_unrecorded(self) -> bool:
        """Whether an image without a record is visible."""
        value = self.value("UNRECORDED")
        if value not in ("hide", "show"):
            raise ImgmodConfigurationError(
                f'IMGMOD["UNRECORDED"] must be {SETTINGS["UNRECORDED"].meaning}, not {value!r}.'
            )
        return bool(value == "show")


def _require_name(where: str, name: object) -> None:
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
        raise ImgmodConfigurationError(f"{where} must be a string of at most {MAX_NAME_LENGTH} characters.")


def _require_path(where: str, path: object) -> None:
    if not isinstance(path, str):
        raise ImgmodConfigurationError(f'{where} must be a string, such as "owner" or "album__owner", not {path!r}.')


def _require_flag(where: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ImgmodConfigurationError(f"{where} must be True or False, not {value!r}.")


def _require_strings(key: str, entries: Iterable[object]) -> None:
    for entry in entries:
        if not isinstance(entry, str):
            raise ImgmodConfigurationError(f'IMGMOD["{key}"] must be {SETTINGS[key].meaning}; {entry!r} is no string.')


_OPTION_CHECKS: Final[Mapping[str, Callable[[str, object], None]]] = {
    "provider": _require_name,
    "policy": _require_name,
    "uploader": _require_path,
    "keep_last_accepted": _require_flag,
}


def _field_options(label: str, options: object) -> Mapping[str, Any]:
    where = f'IMGMOD["FIELDS"]["{label}"]'
    if not isinstance(options, Mapping):
        raise ImgmodConfigurationError(f"{where} must be a dict, not {options!r}.")
    if unknown := [key for key in options if key not in _OPTION_CHECKS]:
        raise ImgmodConfigurationError(
            f"{where} has unknown keys: {', '.join(map(repr, unknown))}. Known are: {', '.join(_OPTION_CHECKS)}."
        )
    for key, value in options.items():
        _OPTION_CHECKS[key](f'{where}["{key}"]', value)
    return options


def import_subclass(path: str, base: type[T], where: str) -> type[T]:
    """
    Return the class at a dotted path, which must be a concrete subclass of ``base``.

    Raises ``ImgmodConfigurationError`` that begins with ``where``, whatever importing the module raises.
    """
    try:
        found = import_string(path)
    except Exception as error:
        raise ImgmodConfigurationError(
            f'{where}: "{path}" cannot be imported: {type(error).__name__}: {error}'
        ) from error
    if not (isinstance(found, type) and issubclass(found, base)) or isabstract(found):
        raise ImgmodConfigurationError(
            f'{where}: "{path}" is not a subclass of {base.__module__}.{base.__name__} that can be used.'
        )
    return found


def _provider_config(alias: object, entry: object) -> ProviderConfig:
    where = f'IMGMOD["PROVIDERS"][{alias!r}]'
    _require_name(f'A key of IMGMOD["PROVIDERS"], {alias!r},', alias)
    if not isinstance(entry, Mapping):
        raise ImgmodConfigurationError(f"{where} must be a dict, not {type(entry).__name__}.")
    if unknown := sorted(map(repr, set(entry) - set(PROVIDER_OPTIONS))):
        raise ImgmodConfigurationError(
            f"{where} has unknown keys: {', '.join(unknown)}. Known are: {', '.join(PROVIDER_OPTIONS)}."
        )
    backend, options = entry.get("BACKEND"), entry.get("OPTIONS", {})
    if not isinstance(backend, str) or not backend:
        raise ImgmodConfigurationError(f"{where} needs a BACKEND: the dotted path of a provider class.")
    if not isinstance(options, Mapping):
        raise ImgmodConfigurationError(f"OPTIONS of {where} must be a dict, not {type(options).__name__}.")
    if odd := [key for key in options if not isinstance(key, str) or key == "alias"]:
        raise ImgmodConfigurationError(f"OPTIONS of {where} cannot be named {', '.join(map(repr, odd))}.")
    return ProviderConfig(backend, options, _price(where, entry.get("PRICE_PER_1000")))


def _price(where: str, given: object) -> Price | None:
    if given is None:
        return None
    match = (
        re.fullmatch(r"\s*(\d{1,9}(?:\.\d{1,9})?)\s+(\S.*?)\s*", given, re.ASCII) if isinstance(given, str) else None
    )
    if match is None:
        raise ImgmodConfigurationError(
            f'PRICE_PER_1000 of {where} must be an amount and a currency, such as "1.20 USD", not {given!r}.'
        )
    return Price(Decimal(match[1]), match[2])


imgmod_settings = Settings()
