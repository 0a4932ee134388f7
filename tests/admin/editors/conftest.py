from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_imgmod.choices import Status
from django_imgmod.models import ModerationRecord
from django_imgmod.registry import get_watched_field


@pytest.fixture(autouse=True)
def editors_admin(settings: Any) -> None:
    settings.MIDDLEWARE = ["tests.admin.editors.urls.served", *settings.MIDDLEWARE]
    settings.MEDIA_URL = "/media/"


@pytest.fixture
def root(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.fixture
def put(db: None) -> Callable[..., ModerationRecord]:
    """Return a function that lets an object's image be in a status, as if that had become of it."""

    def put(obj: Any, status: Status, field_name: str = "image", **columns: Any) -> ModerationRecord:
        watched = get_watched_field(type(obj), field_name)
        records = ModerationRecord.objects.for_field(watched.model, [watched.object_id(obj)], field_name)
        assert records.update(status=status, **columns) == 1
        return records.get()

    return put
