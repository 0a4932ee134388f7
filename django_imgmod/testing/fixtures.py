"""The fixtures of pytest. Reached through ``django_imgmod.testing``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from .emulation import RunningEmulator


@pytest.fixture
def imgmod_emulator_options() -> dict[str, Any]:
    """Return the options of ``imgmod_emulator``, those of ``RunningEmulator``: override it to change them."""
    return {}


@pytest.fixture
def imgmod_emulator(imgmod_emulator_options: dict[str, Any]) -> Iterator[RunningEmulator]:
    """Run the emulator of Alibaba Cloud's image moderation on a free port of this machine for one test."""
    with RunningEmulator(**imgmod_emulator_options) as emulator:
        yield emulator
