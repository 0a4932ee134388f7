"""The fixtures of pytest. Reached through ``django_imgmod.testing``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.utils.module_loading import import_string

from .emulation import RunningEmulator

if TYPE_CHECKING:
    from .moderation import Moderation


@pytest.fixture
def imgmod() -> Iterator[Moderation]:
    """Let the test say what the site's providers answer; see ``Moderation``."""
    # By name: pytest may load its plugins before the site's apps are there, and with them the models.
    with import_string("django_imgmod.testing.moderation.Moderation")() as moderation:
        yield moderation


@pytest.fixture
def imgmod_emulator_options() -> dict[str, Any]:
    """Return the options of ``imgmod_emulator``, those of ``RunningEmulator``: override it to change them."""
    return {}


@pytest.fixture
def imgmod_emulator(imgmod_emulator_options: dict[str, Any]) -> Iterator[RunningEmulator]:
    """Run the emulator of Alibaba Cloud's image moderation on a free port of this machine for one test."""
    with RunningEmulator(**imgmod_emulator_options) as emulator:
        yield emulator
