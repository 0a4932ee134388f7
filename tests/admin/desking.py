"""What the tests of the review desk have in common."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_imgmod.models import ModerationRecord

LIST = "/admin/django_imgmod/moderationrecord/"
DESK = f"{LIST}review/"
BY_SCRIPT = {"HTTP_X_IMGMOD_DESK": "parts"}


def user_of(client: Client) -> User:
    return User.objects.get(pk=client.session["_auth_user_id"])


def run_out(*records: ModerationRecord) -> None:
    """Let nobody have heard of whoever holds records for too long."""
    keys = [record.pk for record in records]
    ModerationRecord.objects.filter(pk__in=keys).update(claimed_until=timezone.now() - timedelta(seconds=1))


def text_of(response: Any, status: int = 200) -> str:
    assert response.status_code == status
    return str(response.content.decode())
