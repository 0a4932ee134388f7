"""Asking the API, as a program does."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from django_imgmod.models import ModerationRecord

API = "/imgmod/api/"


class Moderator:
    """Somebody who is logged in; without a user, nobody."""

    def __init__(self, user: User | None = None, *, client: Client | None = None) -> None:
        self.user = user
        self.client = client or Client()
        if user is not None:
            self.client.force_login(user)

    def get(self, address: str, **parameters: Any) -> Any:
        return self.client.get(address if address.startswith("http") else f"{API}{address}", parameters or None)

    def post(self, address: str, **sent: Any) -> Any:
        return self.client.post(f"{API}{address}", sent, content_type="application/json")

    def decide(self, record: ModerationRecord, outcome: str, **more: Any) -> Any:
        return self.post(f"records/{record.public_id}/decide/", outcome=outcome, version=record.version, **more)


def read(response: Any, status: int = 200) -> Any:
    """Return what was answered."""
    answer = response.json()
    assert response.status_code == status, answer
    assert response["Content-Type"] == ("application/json" if status == 200 else "application/problem+json")
    assert response["Cache-Control"] == "private, no-store"
    if status != 200:
        assert answer["status"] == status
        assert answer["detail"]
    return answer


def ids(answer: Any) -> list[str]:
    return [record["public_id"] for record in answer["results"]]


def ids_of(records: Any) -> list[str]:
    return [str(record.public_id) for record in records]
