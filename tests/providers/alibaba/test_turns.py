"""The rate as the interface counts it: each request in its turn, whatever lies between the requests."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from django_imgmod.choices import ErrorCode, FeedbackStatus, Outcome, Status
from django_imgmod.emulator import Emulator, Judge, serve
from django_imgmod.models import Feedback, ModerationRecord, ProviderSlot
from django_imgmod.providers.alibaba import locating
from django_imgmod.services import live, rate, slots
from django_imgmod.services.decisions import decide
from django_imgmod.services.feedback import send_due_feedback
from django_imgmod.services.sweep import sweep
from tests.commands.doctoring import doctor
from tests.hostapp.models import Photo
from tests.timetravel import fast_forward

# What is saved stays due: the commit that would wake its work never comes.
pytestmark = pytest.mark.django_db(databases=["default", "other"])

TWO = "django_imgmod.providers.alibaba.ImageModeration2Provider"
ONE = "django_imgmod.providers.alibaba.GreenProvider"
QPS = 5
# The least that may lie between two requests: one that is late in its turn, on a machine that is busy.
GAP = 1 / QPS - 0.1


class Arrival(NamedTuple):
    at: float
    method: str
    operation: str


class Counted:
    """The emulator, and when it was asked for what."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.arrivals: list[Arrival] = []
        self.to_refuse: list[str] = []

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        operation = environ.get("HTTP_X_ACS_ACTION") or environ["PATH_INFO"].rpartition("/")[2]
        self.arrivals.append(Arrival(time.monotonic(), environ["REQUEST_METHOD"], operation))
        if operation in self.to_refuse:
            self.to_refuse.remove(operation)
            environ["wsgi.input"].read()
            start_response("400 Bad Request", [("Content-Type", "application/json")])
            return [b'{"RequestId": "1", "Code": "SignatureNonceUsed", "Message": ""}']
        return self.emulator(environ, start_response)

    def requests(self, *operations: str) -> list[Arrival]:
        """Return those to the interface, or to some of its operations; uploads are none of them."""
        return [
            arrival
            for arrival in self.arrivals
            if arrival.method == "POST" and (not operations or arrival.operation in operations)
        ]


def gaps(arrivals: list[Arrival]) -> list[float]:
    return [after.at - before.at for before, after in pairwise(arrivals)]


@pytest.fixture(autouse=True)
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a single slot for all requests, which so come one after the other at even distances."""
    monkeypatch.setattr(slots, "MAX_SLOTS", 1)


@pytest.fixture
def counted() -> Iterator[Counted]:
    with Emulator({"id": "secret"}, judge=Judge(has_engine=False)) as emulator:
        yield Counted(emulator)


@pytest.fixture
def use(settings: Any, counted: Counted, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve(counted) as address:

        def put(backend: str, **options: Any) -> None:
            key = {"access_key_id": "id", "access_key_secret": "secret", "endpoint": f"http://{address}"}
            entry = {"BACKEND": backend, "OPTIONS": {**key, **options}}
            settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": entry}}

        yield put


@pytest.fixture
def save(picture) -> Callable[[int], None]:
    def save_photos(count: int) -> None:
        for number in range(count):
            Photo.objects.create(image=picture(number))

    return save_photos


def work_off() -> None:
    while list(sweep(patience=2)):
        pass


@pytest.mark.parametrize("backend", [TWO, ONE])
def test_request_for_an_upload_token_has_a_turn_and_the_upload_has_none(use, counted, save, backend):
    use(backend, qps=QPS, is_asynchronous=False, **({"images_per_request": 1} if backend == ONE else {}))
    save(4)
    work_off()
    assert not ModerationRecord.objects.filter(verdict_at=None).exists()
    asked = counted.requests()
    assert asked[0].operation in ("DescribeUploadToken", "uploadcredentials")
    assert len(asked) == 5
    assert min(gaps(asked)) >= GAP
    uploads = [arrival for arrival in counted.arrivals if arrival.method == "PUT"]
    assert len(uploads) == 4
    # The first follows on the token at once, where a request would have had to wait.
    assert uploads[0].at - asked[0].at < asked[1].at - asked[0].at


def test_turn_is_that_of_the_request_however_long_it_was_prepared(use, counted, save, monkeypatch):
    """A turn from before the preparation would let what was prepared slowly meet what was prepared fast."""
    fit, pauses = locating.fit, iter([0.0, 0.5, 0.0, 0.5, 0.0])

    def fit_slowly(*args: Any) -> Any:
        time.sleep(next(pauses))
        return fit(*args)

    monkeypatch.setattr(locating, "fit", fit_slowly)
    use(TWO, qps=QPS, is_asynchronous=False)
    save(5)
    work_off()
    judged = counted.requests("ImageModeration")
    assert len(judged) == 5
    assert min(gaps(judged)) >= GAP


def test_second_attempt_has_a_turn_of_its_own(use, counted, save):
    use(TWO, qps=QPS, is_asynchronous=False)
    counted.to_refuse.append("ImageModeration")
    save(1)
    work_off()
    assert ModerationRecord.objects.get().status == Status.PASSED
    judged = counted.requests("ImageModeration")
    assert len(judged) == 2
    assert min(gaps(judged)) >= GAP


def test_turn_that_is_too_far_away_puts_the_record_off_at_no_cost(use, counted, save, monkeypatch):
    monkeypatch.setattr(rate, "MIDWAY_PATIENCE", 0)
    use(TWO, qps=0.1)
    save(1)
    list(sweep())
    # The token took the only turn.
    assert [arrival.operation for arrival in counted.requests()] == ["DescribeUploadToken"]
    record = ModerationRecord.objects.get()
    assert (record.status, record.attempt_count, record.error_code) == (Status.PENDING, 0, ErrorCode.THROTTLED)
    assert record.error_message.startswith('Provider "default" takes no more calls for ')
    fast_forward(60)
    list(sweep())
    record.refresh_from_db()
    assert (record.status, record.attempt_count, record.error_code) == (Status.SUBMITTED, 0, "")


def test_without_a_rate_nothing_waits_and_nothing_is_written(use, counted, save):
    use(TWO, is_asynchronous=False)
    save(3)
    work_off()
    assert len(counted.requests()) == 4
    assert not ProviderSlot.objects.exists()


@pytest.mark.parametrize(
    ("arguments", "count"),
    # It asks for an upload token; a live one has a picture judged as well.
    [([], 1), (["--live"], 2)],
)
@pytest.mark.parametrize("backend", [TWO, ONE])
def test_questions_of_the_doctor_have_turns(use, counted, save, backend, arguments, count):
    use(backend, qps=QPS, is_asynchronous=False)
    save(1)
    work_off()
    before = len(counted.requests())
    for _ in range(2):
        doctor(*arguments)
    asked = counted.requests()
    assert len(asked) >= before + 2 * count
    assert min(gaps(asked)) >= GAP


@pytest.mark.parametrize(("arguments", "level"), [([], "FAULT"), (["--live"], "WARNING")])
def test_question_of_the_doctor_whose_turn_is_too_far_away_says_so(use, counted, save, monkeypatch, arguments, level):
    monkeypatch.setattr(live, "PATIENCE", 0)
    monkeypatch.setattr(rate, "MIDWAY_PATIENCE", 0)
    use(TWO, qps=0.01)
    save(1)
    list(sweep())
    report, _ = doctor(*arguments)
    assert len(counted.requests()) == 1
    assert next(line for line in report.splitlines() if "takes no more calls for" in line).startswith(level)


@pytest.mark.parametrize("qps", [None, 1000])
def test_feedback_is_told_at_most_20_times_a_second(use, counted, save, django_user_model, qps):
    use(ONE, qps=qps, is_asynchronous=False, scenes=["porn"])
    save(6)
    work_off()
    moderator = django_user_model.objects.create(username="m")
    for record in ModerationRecord.objects.all():
        decide(record, Outcome.BLOCK, decided_by=moderator)
    fast_forward(60)
    send_due_feedback(using="default", patience=2)
    assert set(Feedback.objects.values_list("status", flat=True)) == {FeedbackStatus.ACCEPTED}
    told = counted.requests("feedback")
    assert len(told) == 6
    assert min(gaps(told)) >= 1 / 20 - 0.02
    if qps is None:
        # Pictures do not stand in line with it.
        assert not ProviderSlot.objects.filter(provider="default").exists()
