"""When to come back, in whichever way it is said."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.utils.http import http_date

from django_imgmod.exceptions import ProviderRefused, ProviderThrottled, ProviderUnavailable

from .gateway import Gateway, Provider1, Provider2, serving

BODIES = {
    "gateway": (400, {"RequestId": "1", "Code": "Throttling.User", "Message": "slower"}),
    "gateway 429": (429, {"RequestId": "1", "Code": "Throttling.Api", "Message": "slower"}),
    "gateway 503": (503, {"RequestId": "1", "Code": "ServiceUnavailable", "Message": "later"}),
    "unknown code": (429, {"RequestId": "1", "Code": "Unheard.Of", "Message": "later"}),
    "page": (429, b"<h1>Too Many Requests</h1>"),
    "page 503": (503, b"<h1>Service Unavailable</h1>"),
    "nothing": (429, b""),
}
OF_2_0 = {"service": (200, {"Code": 403, "RequestId": "1"}), "service status": (403, {"Code": 403, "RequestId": "1"})}
OF_GREEN = {"service": (200, {"code": 588, "requestId": "1"}), "service status": (588, {"requestId": "1"})}
CASES = [
    *[(ask, *BODIES[name]) for ask in ("2.0", "green") for name in BODIES],
    *[("2.0", *case) for case in OF_2_0.values()],
    *[("green", *case) for case in OF_GREEN.values()],
]


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as gateway:
        yield gateway


def asking(gateway: Gateway, generation: str) -> Callable[[], Any]:
    key = {"endpoint": gateway.endpoint, "access_key_id": "id", "access_key_secret": "secret"}
    if generation == "2.0":
        return lambda: Provider2("cloud", **key).call_rpc("ImageModeration")
    return lambda: Provider1("cloud", **key).call_green("/green/image/scan", {})


@pytest.mark.parametrize(("generation", "status", "body"), CASES)
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x_acs_retry_after": "2500"}, 2.5),
        ({"Retry_After": "7"}, 7),
        # The gateway's own is the more exact.
        ({"x_acs_retry_after": "2500", "Retry_After": "7"}, 2.5),
        ({"x_acs_retry_after": "0", "Retry_After": "7"}, 7),
        ({"x_acs_retry_after": "soon", "Retry_After": "7"}, 7),
        ({"Retry_After": "999999"}, 3600),
    ],
)
def test_header_says_when(gateway, generation, status, body, headers, seconds):
    gateway.answer(body, status, **headers)
    with pytest.raises(ProviderThrottled) as caught:
        asking(gateway, generation)()
    assert caught.value.retry_after == seconds
    assert caught.value.retryable


def test_header_may_hold_a_date(gateway):
    gateway.answer({"Code": "Throttling"}, 400, Retry_After=http_date(time.time() + 60))
    with pytest.raises(ProviderThrottled) as caught:
        asking(gateway, "2.0")()
    assert 50 < caught.value.retry_after <= 60


@pytest.mark.parametrize("given", ["0", "-5", "soon", "", "nan"])
def test_header_that_says_nothing_is_none(gateway, given):
    gateway.answer({"Code": "Throttling"}, 400, Retry_After=given)
    with pytest.raises(ProviderThrottled) as caught:
        asking(gateway, "2.0")()
    assert caught.value.retry_after is None
    gateway.answer({"Code": "ServiceUnavailable"}, 503, Retry_After=given)
    with pytest.raises(ProviderUnavailable):
        asking(gateway, "2.0")()


def test_header_beside_a_refusal_of_the_picture_changes_nothing(gateway):
    gateway.answer({"Code": 407, "RequestId": "1"}, 200, Retry_After="7")
    with pytest.raises(ProviderRefused):
        asking(gateway, "2.0")()
