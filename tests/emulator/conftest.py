from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_imgmod.emulator import Emulator, Judge

from .signed import KEY_ID, SECRET, STS_ID, STS_SECRET, STS_TOKEN, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(clock: Clock) -> Iterator[Callable[..., Emulator]]:
    """Return a function that makes emulators; each is closed in the end. They look for canaries alone: that is fast."""
    made = []

    def build(**options: Any) -> Emulator:
        options = {
            "credentials": {KEY_ID: SECRET, STS_ID: STS_SECRET},
            "security_tokens": {STS_ID: STS_TOKEN},
            "clock": clock,
            "judge": Judge(has_engine=False),
            "callback_delay": 0,
            "callback_pause": 0,
            **options,
        }
        made.append(Emulator(**options))
        return made[-1]

    yield build
    for emulator in made:
        emulator.close()


@pytest.fixture
def emulator(make: Callable[..., Emulator]) -> Emulator:
    return make()
