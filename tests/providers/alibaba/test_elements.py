"""Codes of single pictures in an answer of Green: when they are the provider's trouble, and when a picture's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from typing import Any

import pytest

from django_imgmod.choices import Circuit, ErrorCode, Status
from django_imgmod.models import ModerationRecord, ProviderState
from django_imgmod.services.sweep import sweep
from django_imgmod.testing import GREEN
from tests.hostapp.models import Photo
from tests.timetravel import fast_forward

from .gateway import Arrival, Gateway, serving

pytestmark = pytest.mark.django_db(databases=["default", "other"])

OF_PROVIDER = pytest.mark.parametrize("code", [596, 500, 503, 580, 581, 585, 587, 591, 400, 999, None])
OF_PICTURE = pytest.mark.parametrize("code", [401, 403, 404, 480, 586, 589, 590, 592, 594, 595])


class Service(Gateway):
    """Takes every request, and says of its pictures the codes in turn. Who is asked for results has accepted them."""

    codes: Sequence[Any] = (200,)

    def reply(self, arrival: Arrival) -> Any:
        self.arrivals.append(arrival)
        given = json.loads(arrival.body)
        if isinstance(given, list):
            names = [(name.removeprefix("task-"), name) for name in given]
        else:
            names = [(task["dataId"], f"task-{task['dataId']}") for task in given["tasks"]]
        codes = cycle([200] if arrival.path.endswith("asyncscan") else self.codes)
        result = {"scene": "porn", "label": "normal", "suggestion": "pass"}
        data = [
            {"code": code, "dataId": data_id, "taskId": name, "results": [result]}
            for (data_id, name), code in zip(names, codes, strict=False)
        ]
        return 200, {}, {"code": 200, "requestId": "1", "data": data}


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as gateway:
        gateway.__class__ = Service
        yield gateway  # type: ignore[misc]


@pytest.fixture
def work(settings: Any, service: Service, picture: Any) -> Callable[..., None]:
    """Save pictures one by one and let each be judged by itself, or all of them in one request."""
    key = {"access_key_id": "id", "access_key_secret": "secret", "endpoint": service.endpoint}
    place = {"source": "url", "base_url": "https://site.example", "scenes": ["porn"]}

    def save(count: int, *, at_once: bool = False, is_asynchronous: bool = False) -> None:
        options = {**key, **place, "is_asynchronous": is_asynchronous}
        settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": {"BACKEND": GREEN, "OPTIONS": options}}}
        for number in range(count):
            Photo.objects.create(image=picture(number))
            if not at_once:
                list(sweep())
        if at_once or is_asynchronous:
            fast_forward(10)
            list(sweep())

    return save


def circuit() -> str:
    return ProviderState.objects.values_list("circuit", flat=True).first() or Circuit.CLOSED


@OF_PROVIDER
def test_trouble_of_the_provider_opens_the_circuit(work, service, code):
    service.codes = [code]
    work(10)
    assert circuit() == Circuit.OPEN
    assert len(service.arrivals) == 8


@OF_PICTURE
def test_trouble_of_pictures_does_not(work, service, code):
    service.codes = [code]
    work(10)
    assert circuit() == Circuit.CLOSED
    assert len(service.arrivals) == 10


def test_is_said_of_all_pictures_of_a_request(work, service):
    service.codes = [596]
    work(3, at_once=True)
    assert len(service.arrivals) == 1
    assert ProviderState.objects.get().failure_count == 1
    records = ModerationRecord.objects.all()
    assert {(record.status, record.error_code) for record in records} == {(Status.IN_REVIEW, ErrorCode.AUTHENTICATION)}
    assert all("AliyunYundunGreenWebFullAccess" in record.error_message for record in records)


@pytest.mark.parametrize("code", [200, 480, 589])
def test_one_picture_that_was_looked_at_shows_that_the_provider_works(work, service, code):
    service.codes = [596, code, 500]
    work(3, at_once=True)
    assert not ProviderState.objects.filter(failure_count__gt=0).exists()
    errors = set(ModerationRecord.objects.values_list("error_code", flat=True))
    assert {ErrorCode.AUTHENTICATION, ErrorCode.UNAVAILABLE} <= errors


@pytest.mark.parametrize("code", [596, 500])
def test_counts_in_results_as_well(work, service, code):
    service.codes = [code]
    work(2, is_asynchronous=True)
    state = ProviderState.objects.get()
    assert (state.failure_count, state.circuit) == (1, Circuit.CLOSED)


def test_too_many_requests_are_no_failure(work, service):
    service.codes = [588]
    work(10)
    assert circuit() == Circuit.CLOSED
    assert set(ModerationRecord.objects.values_list("status", "error_code")) == {(Status.PENDING, ErrorCode.THROTTLED)}
