from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from django_imgmod.choices import Status
from django_imgmod.models import ModerationRecord
from tests.backdated import make_record
from tests.callbacks.forms import DATA_IDS, PROVIDERS


@pytest.fixture
def waiting(settings: Any) -> Mapping[str, ModerationRecord]:
    """A record of each provider that was submitted and waits to be called back about, by alias."""
    settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": PROVIDERS}
    return {
        alias: make_record(provider=alias, public_id=uuid.UUID(data_id), status=Status.SUBMITTED)
        for alias, data_id in DATA_IDS.items()
    }
