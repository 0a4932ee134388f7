"""Asking for answers: when, how many in one request, until when, and what becomes of an answer that is gone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import pytest
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from django_imgmod.choices import ErrorCode, Status
from django_imgmod.models import ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.providers.alibaba.checksums import checksum
from django_imgmod.results import ImageSource
from django_imgmod.seeds import callback_seed
from django_imgmod.services.backoff import MAX_ATTEMPTS
from django_imgmod.services.periodic import run_periodic
from django_imgmod.services.sweep import sweep
from tests.hostapp.models import Photo
from tests.providers.pictures import encoded
from tests.timetravel import fast_forward

from .gateway import Arrival, Gateway, serving

pytestmark = pytest.mark.django_db(databases=["default", "other"])

TWO = "django_imgmod.providers.alibaba.ImageModeration2Provider"
ONE = "django_imgmod.providers.alibaba.GreenProvider"
UID = "1234567890123456"
HOUR = 3600.0
DAY = 24 * HOUR


class Service(Gateway):
    """Accepts every picture, and answers what a test says when it is asked for results."""

    result: Any = None

    def reply(self, arrival: Arrival) -> Any:
        self.arrivals.append(arrival)
        if arrival.headers.get("x-acs-action") == "ImageAsyncModeration":
            return 200, {}, {"Code": 200, "RequestId": "1", "Data": {"ReqId": f"req-{len(self.arrivals)}"}}
        if arrival.path.endswith("asyncscan"):
            tasks = json.loads(arrival.body)["tasks"]
            data = [{"code": 200, "dataId": task["dataId"], "taskId": f"task-{task['dataId']}"} for task in tasks]
            return 200, {}, {"code": 200, "requestId": "1", "data": data}
        return self.result(arrival)

    def asked(self) -> list[Arrival]:
        return [arrival for arrival in self.arrivals if is_question(arrival)]


def is_question(arrival: Arrival) -> bool:
    return arrival.path.endswith("results") or arrival.headers.get("x-acs-action") == "DescribeImageModerationResult"


@pytest.fixture
def service(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as gateway:
        gateway.__class__ = Service
        yield gateway  # type: ignore[misc]


@pytest.fixture
def use(settings: Any, service: Service) -> Callable[..., Any]:
    def put(backend: str, **options: Any) -> None:
        key = {"access_key_id": "id", "access_key_secret": "secret", "endpoint": service.endpoint}
        place = {"source": "url", "base_url": "https://site.example"}
        entry = {"BACKEND": backend, "OPTIONS": {**key, **place, **options}}
        settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": entry}}

    return put


def still_working2(arrival: Arrival) -> Any:
    return 200, {}, {"Code": 280, "Msg": "PROCESSING", "RequestId": "1"}


def tasks1(code: int) -> Callable[[Arrival], Any]:
    def answer(arrival: Arrival) -> Any:
        results = [{"scene": scene, "label": "normal", "suggestion": "pass"} for scene in ("porn", "terrorism", "ad")]
        data = [
            {"code": code, "taskId": name, "dataId": name.removeprefix("task-"), "results": results}
            for name in json.loads(arrival.body)
        ]
        return 200, {}, {"code": 200, "requestId": "1", "data": data}

    return answer


def seconds_to_next_question() -> float:
    due_at = ModerationRecord.objects.values_list("due_at", flat=True).get()
    assert due_at is not None
    return (due_at - timezone.now()).total_seconds()


def ages_of_questions(service: Service, until: float) -> list[float]:
    """Let time pass from one question to the next; return how old the submission was at each."""
    ages, age = [], 0.0
    while ModerationRecord.objects.filter(due_at__isnull=False).exists():
        pause = seconds_to_next_question()
        age += pause
        if age > until:
            break
        before = len(service.asked())
        fast_forward(pause + 0.01)
        list(sweep())
        ages += [age] * (len(service.asked()) - before)
    return ages


def test_second_generation_after_30_s_then_every_30_s_then_slower(use, service, picture):
    use(TWO)
    service.result = still_working2
    Photo.objects.create(image=picture())
    list(sweep())
    ages = ages_of_questions(service, 6 * HOUR)
    pauses = [after - before for before, after in pairwise([0.0, *ages])]
    assert all(28 < pause < 32 for pause in pauses[:10])
    assert all(later > earlier - 2 for earlier, later in pairwise(pauses))
    assert 14 * 60 < pauses[-1] < 16 * 60
    assert ModerationRecord.objects.get().status == Status.SUBMITTED


def test_second_generation_until_three_days_have_passed(use, service, picture):
    use(TWO)
    service.result = still_working2
    Photo.objects.create(image=picture())
    list(sweep())
    fast_forward(3 * DAY - HOUR)
    list(sweep())
    assert ModerationRecord.objects.get().status == Status.SUBMITTED
    fast_forward(2 * HOUR)
    list(sweep())
    # Nobody asked when it was time to: as after an outage, it is asked once more.
    assert ModerationRecord.objects.get().status == Status.SUBMITTED
    fast_forward(HOUR / 4 + 1)
    list(sweep())
    record = ModerationRecord.objects.get()
    assert (record.status, record.error_code) == (Status.IN_REVIEW, ErrorCode.UNAVAILABLE)
    assert "no verdict in 3 days" in record.error_message


def test_first_generation_often_enough_within_its_hour(use, service, picture):
    use(ONE)
    service.result = tasks1(280)
    Photo.objects.create(image=picture())
    list(sweep())
    ages = ages_of_questions(service, HOUR)
    assert 3 < ages[0] < 7
    # The last chance is not missed, and none is far from the one before.
    assert ages[-1] > HOUR - 6 * 60
    assert max(after - before for before, after in pairwise(ages)) < 6 * 60


@pytest.mark.parametrize("backend", [TWO, ONE])
def test_first_question_is_in_time_although_a_callback_is_promised(use, service, backend):
    """Should it never come, the result has to be there still."""
    kept_for = {TWO: 3 * DAY, ONE: HOUR}[backend]
    use(backend, uid=UID)
    source = ImageSource(
        data_id="a",
        file_name="a.png",
        content=encoded(Image.new("RGB", (300, 200)), "PNG"),
        sha256="0" * 64,
        url="/a.png",
        callback_url="https://site.example/c/",
        seed="s",
    )
    poll_after = providers["default"].submit(source).poll_after
    assert poll_after is not None
    assert 300 <= poll_after <= kept_for / 2


def test_many_tasks_of_the_first_generation_are_asked_for_in_one_request(use, service, picture):
    use(ONE, images_per_request=5)
    service.result = tasks1(200)
    for number in range(7):
        Photo.objects.create(image=picture(number))
    list(sweep())
    fast_forward(10)
    list(sweep())
    assert [len(json.loads(arrival.body)) for arrival in service.asked()] == [5, 2]
    assert set(ModerationRecord.objects.values_list("status", flat=True)) == {Status.PASSED}


def test_result_of_the_first_generation_that_is_gone_ends_in_on_error(use, service, picture):
    use(ONE)
    service.result = tasks1(594)
    Photo.objects.create(image=picture())
    list(sweep())
    fast_forward(10)
    list(sweep())
    record = ModerationRecord.objects.get()
    assert (record.status, record.error_code, record.due_at) == (Status.IN_REVIEW, ErrorCode.REFUSED, None)
    assert "has forgotten the task" in record.error_message


def test_result_of_the_second_generation_that_is_gone_ends_in_on_error(use, service, picture):
    use(TWO)
    service.result = lambda arrival: (200, {}, {"Code": 409, "Msg": "unknown", "RequestId": "1"})
    Photo.objects.create(image=picture())
    list(sweep())
    # It may be that it was asked too early, so not at once.
    fast_forward(31)
    list(sweep())
    assert ModerationRecord.objects.get().status == Status.SUBMITTED
    for _ in range(MAX_ATTEMPTS):
        fast_forward(HOUR)
        list(sweep())
    record = ModerationRecord.objects.get()
    assert (record.status, record.due_at) == (Status.IN_REVIEW, None)
    assert "does not know the request" in record.error_message
    assert len(service.asked()) == MAX_ATTEMPTS


def fails_on_it(backend: str, code: int) -> Callable[[Arrival], Any]:
    """Return what answers that a task, asked for successfully, failed on its picture."""
    if backend == ONE:
        return tasks1(code)
    return lambda arrival: (200, {}, {"Code": code, "Msg": "failed", "RequestId": "1"})


@pytest.mark.parametrize(
    ("backend", "code", "cause"),
    [
        (TWO, 404, "could not download the picture (code 404)"),
        (TWO, 405, "could not download the picture (code 405)"),
        (ONE, 480, "could not download the picture (code 480)"),
        (ONE, 592, "could not download the picture (code 592)"),
        (ONE, 586, "failed on the picture (code 586)"),
        (ONE, 595, "failed on the picture (code 595)"),
    ],
)
def test_result_that_the_picture_failed_is_not_asked_for_again(use, service, picture, backend, code, cause):
    use(backend)
    service.result = fails_on_it(backend, code)
    Photo.objects.create(image=picture())
    list(sweep())
    fast_forward(31)
    list(sweep())
    record = ModerationRecord.objects.get()
    assert (record.status, record.error_code, record.due_at) == (Status.IN_REVIEW, ErrorCode.UNAVAILABLE, None)
    assert cause in record.error_message
    assert "imgmod_retry" in record.error_message
    assert len(service.asked()) == 1


def test_result_that_one_picture_failed_leaves_the_others_their_verdicts(use, service, picture):
    use(ONE)

    def answer(arrival: Arrival) -> Any:
        status, headers, body = tasks1(200)(arrival)
        for task, code in zip(body["data"], (480, 280, 200), strict=True):
            task["code"] = code
        return status, headers, body

    service.result = answer
    for number in range(3):
        Photo.objects.create(image=picture(number))
    list(sweep())
    fast_forward(10)
    list(sweep())
    statuses = ModerationRecord.objects.values_list("status", flat=True)
    assert sorted(statuses) == sorted([Status.IN_REVIEW, Status.SUBMITTED, Status.PASSED])


@pytest.mark.parametrize(
    ("backend", "answer"),
    [
        (TWO, {"Code": 403, "Msg": "QPS", "RequestId": "1"}),
        (TWO, {"Code": 500, "Msg": "failed", "RequestId": "1"}),
        (ONE, {"code": 588, "msg": "QPS", "requestId": "1"}),
        (ONE, {"code": 500, "msg": "failed", "requestId": "1"}),
        (ONE, {"code": 480, "msg": "failed", "requestId": "1"}),
    ],
)
def test_question_that_failed_is_asked_again(use, service, picture, backend, answer):
    use(backend)
    service.result = lambda arrival: (200, {}, answer)
    Photo.objects.create(image=picture())
    list(sweep())
    fast_forward(31)
    list(sweep())
    record = ModerationRecord.objects.get()
    assert record.status == Status.SUBMITTED
    assert record.error_code
    assert record.due_at is not None


@pytest.mark.parametrize("backend", [TWO, ONE])
def test_picture_that_failed_as_it_was_submitted_is_submitted_again(use, service, picture, backend):
    use(backend, is_asynchronous=False)
    codes = {TWO: {"Code": 404, "Msg": "failed", "RequestId": "1"}, ONE: {"code": 480, "requestId": "1"}}
    service.result = lambda arrival: (200, {}, codes[backend])
    Photo.objects.create(image=picture())
    list(sweep())
    record = ModerationRecord.objects.get()
    assert (record.status, record.error_code) == (Status.PENDING, ErrorCode.UNAVAILABLE)
    fast_forward(HOUR)
    list(sweep())
    assert len(service.arrivals) == 2


def test_callback_ends_the_asking(use, service, picture, client):
    use(TWO, uid=UID)
    service.result = still_working2
    Photo.objects.create(image=picture())
    list(sweep())
    record = ModerationRecord.objects.get()
    data_id = str(record.public_id)
    content = json.dumps({"Code": 200, "Data": {"ReqId": record.reference, "DataId": data_id, "RiskLevel": "none"}})
    digest = checksum(UID, callback_seed("default", data_id), content)
    form = urlencode({"ReqId": "1", "Checksum": digest, "Content": content})
    address = reverse("django_imgmod:callback", args=["default"])
    assert client.post(address, form, content_type="application/x-www-form-urlencoded").status_code == 200
    run_periodic()
    record.refresh_from_db()
    assert (record.status, record.due_at) == (Status.PASSED, None)
    fast_forward(3 * DAY)
    assert list(sweep()) == []
    assert service.asked() == []
