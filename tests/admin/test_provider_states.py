from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_imgmod.choices import Circuit, ErrorCode
from django_imgmod.models import ProviderState

LIST = "/admin/django_imgmod/providerstate/"
SCRIPT = "<script>alert(1)</script>"

pytestmark = pytest.mark.django_db


@pytest.fixture
def state():
    return ProviderState.objects.create(
        provider="cloud",
        circuit=Circuit.OPEN,
        failure_count=8,
        error_code=ErrorCode.UNAVAILABLE,
        error_message=f"No route to the provider {SCRIPT}",
    )


@pytest.mark.parametrize("codename", ["view_providerstate", "review_moderationrecord"])
def test_moderator_sees_why_nothing_is_judged(state, client_of, codename):
    client = client_of(codename)
    assert LIST in client.get("/admin/").content.decode()
    page = client.get(LIST).content.decode()
    for told in ("cloud", "Open", "is left alone for a while", "Provider unreachable", "No route to the provider"):
        assert told in page
    assert SCRIPT not in page


def test_provider_that_is_well_has_no_error(client_of):
    ProviderState.objects.create(provider="default")
    page = client_of("view_providerstate").get(LIST).content.decode()
    assert "judges images" in page
    assert "Provider unreachable" not in page


def test_others_are_refused(state, client_of):
    assert client_of("view_moderationrecord").get(LIST).status_code == 403


def test_nobody_writes_by_hand(state):
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    assert client.post(f"{LIST}add/", {"provider": "other"}).status_code == 403
    assert client.post(f"{LIST}{state.pk}/change/", {"circuit": Circuit.CLOSED}).status_code == 403
    assert client.post(f"{LIST}{state.pk}/delete/", {"post": "yes"}).status_code == 403
    assert ProviderState.objects.get().circuit == Circuit.OPEN
