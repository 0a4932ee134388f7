from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from django_imgmod.providers import providers
from django_imgmod.testing import RunningEmulator, imgmod_emulator, imgmod_emulator_options

__all__ = ["imgmod_emulator", "imgmod_emulator_options"]


@pytest.fixture
def emulator(imgmod_emulator: RunningEmulator) -> RunningEmulator:
    return imgmod_emulator


@pytest.fixture
def use(settings: Any, emulator: RunningEmulator) -> Callable[..., Any]:
    """Return a function that puts a provider into the settings, and returns it."""

    def put(backend: str, alias: str = "default", **options: Any) -> Any:
        entry = emulator.provider(backend, **options)
        old = settings.IMGMOD.get("PROVIDERS", {})
        settings.IMGMOD = {
            **settings.IMGMOD,
            "PROVIDERS": {**old, alias: entry},
            "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher",
        }
        return providers[alias]

    return put
