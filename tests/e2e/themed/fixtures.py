"""A browser in front of an admin that has a theme. Neither keeps to a strict policy, so there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ..browsing import Browsing
from . import themed


@pytest.fixture(params=["unfold", "jazzmin"])
def theme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def browsing(chromium: Browser, theme: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Browsing]:
    with themed(theme, tmp_path) as (url, session):
        browsing = Browsing(chromium, url, request.node.name, session=session)
        yield browsing
        browsing.close()
    # What a theme's own files complain of is the theme's affair.
    ours = [complaint for complaint in browsing.complaints if "raised" in complaint or "django_imgmod" in complaint]
    assert not ours, "\n".join(ours)
