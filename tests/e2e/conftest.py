"""
The site in a real browser, under a strict Content-Security-Policy.

A test fails when the browser's console complains. Where there is no Playwright or no Chromium the tests are skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from typing import Any, Final, NoReturn

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection

from tests.databases import in_file

from .chromium import find_chromium, missing
from .site import HOST, served

LACKING: Final = missing()

if not LACKING:
    from playwright.sync_api import Browser, sync_playwright

    from .browsing import Browsing
    from .moderating import EVERYTHING_WAITS


class SkippedModule(pytest.Module):
    """Is not even imported."""

    def collect(self) -> NoReturn:
        pytest.skip(f"{LACKING}", allow_module_level=True)


def pytest_pycollect_makemodule(module_path: Path, parent: pytest.Collector) -> pytest.Module | None:
    return SkippedModule.from_parent(parent, path=module_path) if LACKING else None


def pytest_itemcollected(item: pytest.Item) -> None:
    item.add_marker("e2e")


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """
    Start the browser, one a process.

    Playwright's event loop runs beneath the test meanwhile, which Django takes for asynchronous code. So neither may
    outlive this package: other tests of the same process want to be told of unsafe calls.
    """
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        browser = playwright.chromium.launch(
            executable_path=find_chromium(),
            # Nothing beyond this machine is found, whatever a browser likes to ask its maker.
            args=["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
        )
        yield browser
        browser.close()


@pytest.fixture
def site(transactional_db: None, settings: Any, tmp_path: Path) -> Iterator[str]:
    """
    Serve the site of one test and give its URL.

    pytest-django's live server lasts as long as the session, and in SQLite's memory all its threads share the test's
    connection: a transaction of one request would become part of another's.
    """
    settings.ALLOWED_HOSTS = [HOST]
    settings.MIDDLEWARE = ["tests.e2e.policy.StrictPolicyMiddleware", *settings.MIDDLEWARE]
    database = in_file(tmp_path / "database.sqlite3") if connection.vendor == "sqlite" else nullcontext()
    with database, served() as url:
        yield url


@pytest.fixture
def browsing(chromium: Browser, site: str, request: pytest.FixtureRequest) -> Iterator[Browsing]:
    """Open pages of the site; at the end nothing may have been complained of."""
    browsing = Browsing(chromium, site, request.node.nodeid.rpartition("/")[2])
    yield browsing
    browsing.close()
    assert not browsing.complaints, "\n".join(["The browser complains:", *browsing.complaints])


@pytest.fixture
def staff(site: str) -> Callable[..., User]:
    """Return a function that makes a member of staff with the permissions that it names."""
    numbers = count(1)

    def make(*codenames: str) -> User:
        user = User.objects.create_user(f"staff-{next(numbers)}", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        return user

    return make


@pytest.fixture
def viewer(staff: Callable[..., User]) -> User:
    return staff("view_moderationrecord")


@pytest.fixture
def reviewer(staff: Callable[..., User]) -> User:
    return staff("review_moderationrecord")


@pytest.fixture
def everything_waits(site: str, settings: Any) -> None:
    """Let a person look at whatever is detected, and know whose every upload is."""
    settings.IMGMOD = {**settings.IMGMOD, **EVERYTHING_WAITS}


@pytest.fixture
def right_to_left(settings: Any) -> None:
    """Write the site from right to left."""
    settings.LANGUAGE_CODE = "ar"
