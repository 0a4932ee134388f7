"""
Brokers for real: RabbitMQ and Redis are collected where IMGMOD_AMQP_URL and IMGMOD_REDIS_URL say where they are.

Where they are named and do not answer, the tests fail.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from celery import Celery
from celery.contrib.testing.app import setup_default_app
from django.db import connections

from django_imgmod.dispatch import celery as celery_dispatch
from django_imgmod.dispatch.messages import Outage
from tests.databases import in_file

from .processes import Processes

if not {"IMGMOD_AMQP_URL", "IMGMOD_REDIS_URL"} & os.environ.keys():
    collect_ignore = ["test_brokers.py"]

CELERY_DISPATCHER = "django_imgmod.dispatch.celery.CeleryDispatcher"


@pytest.fixture
def use_dispatcher(settings: Any) -> Callable[[str], None]:
    """Return a function that configures a dispatcher."""

    def use(path: str) -> None:
        settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": path}

    return use


@pytest.fixture
def use_celery(use_dispatcher: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Return a function that makes a Celery app the site's own, in a process that has sent nothing yet."""
    used = []

    def use(app: Celery) -> None:
        used.append(app)
        app.set_default()
        app.set_current()
        use_dispatcher(CELERY_DISPATCHER)

    monkeypatch.setattr(celery_dispatch.CeleryDispatcher, "outage", Outage())
    with setup_default_app(Celery("before", set_as_current=False)):
        yield use
        celery_dispatch.line.hang_up()
        for app in used:
            app.close()


@pytest.fixture
def shared_database(transactional_db: None, tmp_path: Path) -> Iterator[str]:
    """Give the URL of this test's database, for other processes. SQLite's moves from memory to a file for that."""
    default = connections["default"]
    if default.vendor != "sqlite":
        yield urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{default.settings_dict['NAME']}").geturl()
        return
    path = tmp_path / "database.sqlite3"
    with in_file(path):
        yield f"sqlite:///{path}"


@pytest.fixture
def start_processes(shared_database: str, tmp_path: Path, media_root: Path) -> Iterator[Callable[..., Processes]]:
    """Return a function that gives the processes of a site with this test's database and media folder."""
    started: list[Processes] = []

    def start(**variables: str) -> Processes:
        media_root.mkdir(exist_ok=True)
        known = {"DATABASE_URL": shared_database, "MEDIA_ROOT": str(media_root)}
        started.append(Processes(tmp_path / "processes.log", **known, **variables))
        return started[-1]

    yield start
    for processes in started:
        processes.kill_all()
