"""
Access to the configured providers: ``providers["default"]``.

An alias names an entry of ``IMGMOD["PROVIDERS"]``. Its provider is made at first use, once a thread, and made anew
after ``override_settings``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asgiref.local import Local
from django.core.signals import setting_changed
from django.utils.connection import BaseConnectionHandler

from ..conf import ProviderConfig, imgmod_settings, import_subclass
from ..exceptions import ImgmodConfigurationError
from .base import BaseProvider

if TYPE_CHECKING:
    _Handler = BaseConnectionHandler[BaseProvider]
else:
    _Handler = BaseConnectionHandler


class ProviderHandler(_Handler):
    """The providers by alias. Raises ``ImgmodConfigurationError`` for one that cannot be had, saying why."""

    exception_class = ImgmodConfigurationError

    def configure_settings(self, settings: Any) -> dict[str, ProviderConfig]:
        return imgmod_settings.providers

    def __getitem__(self, alias: str) -> BaseProvider:
        if alias not in self.settings:
            raise ImgmodConfigurationError(
                f'There is no provider "{alias}" in IMGMOD["PROVIDERS"]. There are: {", ".join(self.settings)}.'
            )
        return super().__getitem__(alias)

    def create_connection(self, alias: str) -> BaseProvider:
        config: ProviderConfig = self.settings[alias]
        where = f'Provider "{alias}", BACKEND'
        # mypy allows no abstract class here, although what is returned never is one.
        provider_class = import_subclass(config.backend, BaseProvider, where)  # type: ignore[type-abstract]
        try:
            return provider_class(alias, **config.options)
        except (TypeError, ValueError) as error:
            raise ImgmodConfigurationError(f'Provider "{alias}" cannot be made from its OPTIONS: {error}') from error

    def forget(self) -> None:
        """Make every provider anew at its next use."""
        self.__dict__.pop("settings", None)
        self._connections = Local(self.thread_critical)


providers = ProviderHandler()


def _forget_providers(*, setting: str, **kwargs: object) -> None:
    if setting == "IMGMOD":
        providers.forget()


setting_changed.connect(_forget_providers)
