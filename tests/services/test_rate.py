"""A provider is called no more often than it allows, and what has to wait says so and loses nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from django_imgmod.choices import Circuit, ErrorCode, Status
from django_imgmod.exceptions import ImgmodConfigurationError, ProviderThrottled
from django_imgmod.models import ModerationRecord, ProviderState
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import ImageSource, Submission
from django_imgmod.services import rate
from django_imgmod.services.gate import calling
from django_imgmod.services.provider_states import NotAdmitted
from django_imgmod.services.sweep import sweep
from tests.faults.server import FaultServer
from tests.hostapp.models import Photo
from tests.timetravel import fast_forward

# What is saved stays due: the commit that would wake its work never comes.
pytestmark = pytest.mark.django_db(databases=["default", "other"])

# A call that was begun in time may be held up on its way by so much, in seconds, on a machine that is busy.
ON_THE_WAY = 0.05


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with FaultServer() as server:
        yield server


@pytest.fixture
def save(picture) -> Callable[[int], None]:
    def save_photos(count: int) -> None:
        for number in range(count):
            Photo.objects.create(image=picture(number))

    return save_photos


class TurnTaker(DummyProvider):
    """A provider that takes its turns itself: two for each picture."""

    takes_turns = True

    def submit(self, source: ImageSource) -> Submission:
        self.wait_for_turn()
        self.wait_for_turn()
        return super().submit(source)


TURN_TAKER = f"{__name__}.{TurnTaker.__name__}"


def use(settings: Any, provider: str = "django_imgmod.providers.dummy.DummyProvider", **options: Any) -> None:
    settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": {"BACKEND": provider, "OPTIONS": options}}}


def use_server(settings: Any, server: FaultServer, **options: Any) -> None:
    use(settings, "tests.faults.provider.LoopbackProvider", url=server.url, **options)


def most_within_a_second(server: FaultServer, *, after: int = 0) -> int:
    """Return how many calls came within any second that slides by, the first ``after`` of them left out."""
    times = [entry.at for entry in server.log(after=after)]
    return max(sum(start <= at < start + 1 - ON_THE_WAY for at in times) for start in times)


def outcomes() -> set[tuple[str, int, str]]:
    return set(ModerationRecord.objects.values_list("status", "attempt_count", "error_code"))


@pytest.mark.parametrize("qps", [0, -1, "10", math.inf, math.nan, True, [10]])
def test_rate_that_is_none_is_a_configuration_error(settings, qps):
    use(settings, qps=qps)
    with pytest.raises(ImgmodConfigurationError, match=r'OPTIONS\["qps"\] of provider "default" must be a number'):
        providers["default"]


class TestRate:
    @pytest.mark.parametrize(("qps", "count"), [(20, 45), (2.5, 5)])
    def test_never_more_calls_in_any_second(self, settings, server, save, qps, count):
        use_server(settings, server, qps=qps)
        save(count)
        started = time.monotonic()
        while list(sweep(patience=2)):
            pass
        assert ModerationRecord.objects.exclude(verdict_at=None).count() == count
        assert {row[1:] for row in outcomes()} == {(1, "")}
        assert len(server.log()) == count
        assert most_within_a_second(server) <= math.ceil(qps)
        assert time.monotonic() - started >= (count - 1) / qps

    def test_time_in_which_nobody_called_is_not_saved_up(self, settings, server, save):
        use_server(settings, server, qps=10)
        save(12)
        list(sweep(limit=1))
        fast_forward(3600)
        while list(sweep(patience=2)):
            pass
        # Without the first: of its turn, too, an hour has passed.
        assert most_within_a_second(server, after=1) <= 10

    def test_asking_for_results_counts_as_well(self, settings, server, save):
        use_server(settings, server, qps=10, mode="async")
        save(8)
        while list(sweep(patience=2)):
            pass
        assert [entry.path for entry in server.log()].count("result") == 8
        assert most_within_a_second(server) <= 10

    def test_without_a_rate_nobody_waits(self, settings, server, save):
        use_server(settings, server)
        save(3)
        list(sweep())
        assert len(server.log()) == 3
        assert not ProviderState.objects.exists()


class TestPatience:
    @pytest.fixture(autouse=True)
    def busy_machine(self, monkeypatch):
        """Without patience there is no second turn for what misses the first, as it easily does where tests run."""
        monkeypatch.setattr(rate, "TOLERANCE", 0.2)

    def test_without_it_the_rest_is_put_off_at_no_cost_and_says_for_how_long(self, settings, save):
        use(settings, qps=0.1)
        save(3)
        list(sweep())
        assert outcomes() == {(Status.PASSED, 1, ""), (Status.PENDING, 0, ErrorCode.THROTTLED)}
        for record in ModerationRecord.objects.filter(status=Status.PENDING):
            assert record.error_message.startswith('Provider "default" takes no more calls for ')
            assert record.due_at is not None
            assert record.due_at > timezone.now() + timedelta(seconds=5)
            assert record.lease_until is None

    def test_refusal_takes_no_turn(self, settings):
        use(settings, qps=0.1)
        with calling("default"):
            pass
        before = ProviderState.objects.get().next_call_at
        for _ in range(3):
            with pytest.raises(NotAdmitted) as refused, calling("default"):
                raise AssertionError("It was called.")
            assert 5 < refused.value.retry_after <= 12.05
        assert ProviderState.objects.get().next_call_at == before

    def test_what_was_put_off_is_judged_in_the_end(self, settings, save):
        use(settings, qps=0.1)
        save(4)
        for _ in range(40):
            list(sweep())
            fast_forward(12.1)
        assert outcomes() == {(Status.PASSED, 1, "")}

    def test_wish_of_the_provider_stands_beside_the_rate(self, settings, save):
        use(settings, qps=1000)
        provider = providers["default"]
        assert isinstance(provider, DummyProvider)
        provider.script(ProviderThrottled("slower", retry_after=60))
        save(2)
        list(sweep(patience=2))
        assert len(provider.calls) == 1
        with pytest.raises(NotAdmitted) as refused, calling("default", patience=2):
            raise AssertionError("It was called.")
        assert refused.value.retry_after > 50

    def test_is_left_at_the_first_calls_of_all_that_come_at_once(self, settings, monkeypatch):
        """Whoever finds no row to stand in line at, and then the row that another one made, is not put off."""
        use(settings, qps=10)
        advance, misses = rate._advance, iter([True])

        def advance_beside_another(line: str, *args: Any) -> Any:
            moment = advance(line, *args)
            if next(misses, False):
                ProviderState.objects.create(provider=line)
            return moment

        monkeypatch.setattr(rate, "_advance", advance_beside_another)
        with calling("default"):
            assert ProviderState.objects.get().next_call_at is not None
        assert not list(misses)


class TestTurnsOfRequests:
    """A provider that takes a turn for each of its requests."""

    def test_each_request_counts(self, settings, save):
        use(settings, TURN_TAKER, qps=10)
        save(3)
        started = time.monotonic()
        while list(sweep(patience=2)):
            pass
        assert outcomes() == {(Status.PASSED, 1, "")}
        assert time.monotonic() - started >= (3 * 2 - 1) / 10

    def test_one_that_is_too_far_away_costs_no_attempt(self, settings, save, monkeypatch):
        monkeypatch.setattr(rate, "TOLERANCE", 0.2)
        monkeypatch.setattr(rate, "MIDWAY_PATIENCE", 0)
        use(settings, TURN_TAKER, qps=0.1)
        save(1)
        list(sweep())
        assert outcomes() == {(Status.PENDING, 0, ErrorCode.THROTTLED)}

    def test_what_was_begun_waits_longer_than_what_was_not(self, settings, save, monkeypatch):
        monkeypatch.setattr(rate, "TOLERANCE", 0.2)
        use(settings, TURN_TAKER, qps=2)
        save(2)
        list(sweep(limit=1))
        assert outcomes() == {(Status.PASSED, 1, ""), (Status.PENDING, 0, "")}
        # The next turn is free a moment later only, and nobody has begun anything.
        list(sweep(limit=1))
        assert outcomes() == {(Status.PASSED, 1, ""), (Status.PENDING, 0, ErrorCode.THROTTLED)}

    def test_probe_may_go_on_to_its_next_request(self, settings, save):
        use(settings, TURN_TAKER, qps=100)
        ProviderState.objects.create(
            provider="default", circuit=Circuit.OPEN, retry_at=timezone.now() - timedelta(seconds=1)
        )
        save(1)
        list(sweep(patience=2))
        assert outcomes() == {(Status.PASSED, 1, "")}
        assert ProviderState.objects.get().circuit == Circuit.CLOSED

    def test_probe_that_is_put_off_leaves_it_to_the_next_one(self, settings, save, monkeypatch):
        monkeypatch.setattr(rate, "TOLERANCE", 0.2)
        monkeypatch.setattr(rate, "MIDWAY_PATIENCE", 0)
        use(settings, TURN_TAKER, qps=0.1)
        ProviderState.objects.create(
            provider="default", circuit=Circuit.OPEN, retry_at=timezone.now() - timedelta(seconds=1)
        )
        save(1)
        list(sweep())
        state = ProviderState.objects.get()
        assert state.circuit == Circuit.OPEN
        assert state.retry_at is not None
        assert state.retry_at <= timezone.now()

    def test_outside_the_calls_of_the_services_nothing_waits(self, settings):
        use(settings, TURN_TAKER, qps=0.1)
        provider = providers["default"]
        for _ in range(3):
            provider.wait_for_turn()
        assert not ProviderState.objects.exists()


def test_call_that_comes_late_for_its_turn_takes_another_one(settings, monkeypatch):
    """Begun late it would crowd into the second of those that are punctual."""
    use(settings, qps=5)
    oversleeps = iter([0.1])

    def sleep(seconds: float) -> None:
        time.sleep(seconds + next(oversleeps, 0))

    monkeypatch.setattr(rate, "time", SimpleNamespace(sleep=sleep, monotonic=time.monotonic))
    with calling("default", patience=10):
        begun_at = timezone.now()
    next_call_at = ProviderState.objects.get().next_call_at
    assert next_call_at is not None
    # What comes next is an interval away from when it began, not from the turn that it missed by half an interval.
    assert next_call_at - begun_at >= timedelta(seconds=0.15)
    assert not list(oversleeps)


@pytest.mark.parametrize("is_question", [True, False])
def test_database_that_is_slow_now_and_then_crowds_nobody(settings, monkeypatch, is_question):
    """What it says of the next turn is about the time at which it read its clock: not when it was asked or heard."""
    use(settings, qps=10)
    delays = iter([0.0, 0.0, 0.04, 0.0, 0.04])
    read_state, advance = rate.read_state, rate._advance

    def read_late(line: str) -> Any:
        time.sleep(next(delays, 0))
        return read_state(line)

    def hear_late(line: str, *args: Any) -> Any:
        moment = advance(line, *args)
        time.sleep(next(delays, 0))
        return moment and moment._replace(answered_at=time.monotonic())

    if is_question:
        monkeypatch.setattr(rate, "read_state", read_late)
    else:
        monkeypatch.setattr(rate, "_advance", hear_late)
    begun = []
    for _ in range(5):
        with calling("default", patience=10):
            begun.append(time.monotonic())
    assert min(after - before for before, after in pairwise(begun)) >= 0.1 - rate.TOLERANCE
