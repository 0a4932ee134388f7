"""
The settings: one dict, ``IMGMOD``, read when it is needed and never before.

Each key stands once, in ``SETTINGS``, with its type and its default; the checks and the documentation's test read the
same table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from django.conf import settings as django_settings

from .exceptions import ImgmodConfigurationError
from .policy import Policy, parse_policy

ALL_FIELDS: Final = "__all__"
DEFAULT_ALIAS: Final = "default"


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
        'a dict of aliases, each {"BACKEND": dotted path, "OPTIONS": dict}',
    ),
    "FIELDS": SettingSpec(
        (str, Sequence, Mapping),
        ALL_FIELDS,
        '"__all__", a list of "app.Model.field", or a dict of them with {"provider": …, "policy": …}',
    ),
    "EXCLUDE": SettingSpec((Sequence,), (), 'a list of "app.Model" or "app.Model.field"'),
    "POLICIES": SettingSpec((Mapping,), {DEFAULT_ALIAS: {}}, "a dict of policies by name"),
    "DISPATCHER": SettingSpec(
        (str,), "django_imgmod.dispatch.InlineDispatcher", "the dotted path of a dispatcher class"
    ),
    "CALLBACK_BASE_URL": SettingSpec(
        (str, type(None)), None, 'the site\'s own address, such as "https://site.example", or None'
    ),
    "UNRECORDED": SettingSpec((str,), "hide", '"hide" or "show"'),
}


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """One entry of ``PROVIDERS``. OPTIONS may hold secrets and never show."""

    backend: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


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
            return dict(value)
        if isinstance(value, str):
            if value != ALL_FIELDS:
                raise ImgmodConfigurationError(f'IMGMOD["FIELDS"] must be {SETTINGS["FIELDS"].meaning}, not {value!r}.')
            return {ALL_FIELDS: {}}
        return {label: {} for label in value}

    @property
    def exclude(self) -> frozenset[str]:
        return frozenset(self.value("EXCLUDE"))

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


def _provider_config(alias: object, entry: object) -> ProviderConfig:
    where = f'IMGMOD["PROVIDERS"][{alias!r}]'
    if not isinstance(entry, Mapping):
        raise ImgmodConfigurationError(f"{where} must be a dict, not {type(entry).__name__}.")
    if unknown := sorted(map(repr, set(entry) - {"BACKEND", "OPTIONS"})):
        raise ImgmodConfigurationError(f"{where} has unknown keys: {', '.join(unknown)}. Known are: BACKEND, OPTIONS.")
    backend, options = entry.get("BACKEND"), entry.get("OPTIONS", {})
    if not isinstance(backend, str) or not backend:
        raise ImgmodConfigurationError(f"{where} needs a BACKEND: the dotted path of a provider class.")
    if not isinstance(options, Mapping):
        raise ImgmodConfigurationError(f"OPTIONS of {where} must be a dict, not {type(options).__name__}.")
    return ProviderConfig(backend, options)


imgmod_settings = Settings()
