from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.cache import cache

from tests.rest.asking import Moderator


@pytest.fixture(autouse=True)
def rates() -> None:
    """Nobody has asked for anything yet."""
    cache.clear()


@pytest.fixture
def client_of(db: None) -> Callable[..., Moderator]:
    """Return a function that logs somebody in with the permissions that it names; the account need not be staff."""

    def log_in(*codenames: str, **columns: Any) -> Moderator:
        user = User.objects.create_user(f"user-{uuid.uuid4().hex[:8]}", **columns)
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        return Moderator(user)

    return log_in


@pytest.fixture
def anna(client_of: Callable[..., Moderator]) -> Moderator:
    return client_of("review_moderationrecord")
