"""What the tests of the review desk have in common."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.test import Client

LIST = "/admin/django_imgmod/moderationrecord/"
DESK = f"{LIST}review/"
BY_SCRIPT = {"HTTP_X_IMGMOD_DESK": "parts"}


def user_of(client: Client) -> User:
    return User.objects.get(pk=client.session["_auth_user_id"])


def text_of(response: Any, status: int = 200) -> str:
    assert response.status_code == status
    return str(response.content.decode())
