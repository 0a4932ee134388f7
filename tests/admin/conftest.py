from __future__ import annotations

import uuid
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from django_imgmod.choices import RiskLevel, Status
from django_imgmod.models import ModerationRecord, current_key
from tests.hostapp.models import Photo


@pytest.fixture
def make_record(db: None) -> Callable[..., ModerationRecord]:
    """Return a function that inserts a record of a photo, superseded ones included."""
    numbers = count(1)

    def make(**columns: Any) -> ModerationRecord:
        object_id = columns.setdefault("object_id", f"object-{next(numbers)}")
        if columns.setdefault("status", Status.PASSED) != Status.SUPERSEDED:
            columns["current_key"] = current_key(Photo, object_id, "image")
        columns.setdefault("file_name", f"photos/{'x' * next(numbers)}.jpg")
        return ModerationRecord.objects.create(
            content_type=ContentType.objects.get_for_model(Photo),
            field_name="image",
            provider="default",
            policy="default",
            **columns,
        )

    return make


@pytest.fixture
def client_of(db: None) -> Callable[..., Client]:
    """Return a function that logs in a member of staff with the permissions that it names."""

    def log_in(*codenames: str) -> Client:
        user = User.objects.create_user(f"user-{uuid.uuid4().hex}", is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        return client

    return log_in


@pytest.fixture
def viewer(client_of: Callable[..., Client]) -> Client:
    return client_of("view_moderationrecord")


@pytest.fixture
def reviewer(client_of: Callable[..., Client]) -> Client:
    return client_of("review_moderationrecord")


@pytest.fixture
def waiting(make_record: Callable[..., ModerationRecord]) -> Callable[..., ModerationRecord]:
    """Return a function that puts a record into the queue."""

    def make(**columns: Any) -> ModerationRecord:
        columns.setdefault("risk_level", RiskLevel.MEDIUM)
        return make_record(status=Status.IN_REVIEW, **columns)

    return make
