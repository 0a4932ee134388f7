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
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_imgmod.choices import Circuit, ErrorCode, Status
from django_imgmod.clock import DatabaseNow
from django_imgmod.exceptions import ImgmodConfigurationError, ProviderThrottled
from django_imgmod.models import ModerationRecord, ProviderSlot, ProviderState
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import ImageSource, Submission
from django_imgmod.services import rate, slots
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
# In seconds. By then another may have taken the slot of a call that should have begun now.
LONG_AGO = 1.0


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


@pytest.fixture
def one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a single slot for all calls, which so begin one after the other at even distances."""
    monkeypatch.setattr(slots, "MAX_SLOTS", 1)


def begin_calls(count: int) -> list[float]:
    """Call as often, as soon as may be; return when."""
    begun = []
    for _ in range(count):
        with calling("default", patience=10):
            begun.append(time.monotonic())
    return begun


def distances(times: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(sorted(times))]


def count_calls(patience: float = 0) -> int:
    """Call until no call is admitted; return how often one was."""
    for count in range(100):
        try:
            with calling("default", patience=patience):
                pass
        except NotAdmitted:
            return count
    raise AssertionError("There is no end to it.")


def outcomes() -> set[tuple[str, int, str]]:
    return set(ModerationRecord.objects.values_list("status", "attempt_count", "error_code"))


@pytest.mark.parametrize("qps", [0, -1, "10", math.inf, math.nan, True, [10]])
def test_rate_that_is_none_is_a_configuration_error(settings, qps):
    use(settings, qps=qps)
    with pytest.raises(ImgmodConfigurationError, match=r'OPTIONS\["qps"\] of provider "default" must be a number'):
        providers["default"]


class TestRate:
    @pytest.mark.parametrize(("qps", "count"), [(20, 45), (2.5, 7), (0.5, 2)])
    def test_never_more_calls_in_any_second(self, settings, server, save, qps, count):
        use_server(settings, server, qps=qps)
        save(count)
        started = time.monotonic()
        while list(sweep(patience=5)):
            pass
        assert ModerationRecord.objects.exclude(verdict_at=None).count() == count
        assert {row[1:] for row in outcomes()} == {(1, "")}
        assert len(server.log()) == count
        assert most_within_a_second(server) <= math.ceil(qps)
        at_once = math.ceil(qps)
        assert time.monotonic() - started >= (count - 1) // at_once * at_once / qps

    @pytest.mark.parametrize(("qps", "at_once", "pause"), [(0.1, 1, 10), (0.5, 1, 2), (1, 1, 1), (2.5, 3, 1.2)])
    def test_fraction_is_kept_over_a_longer_time(self, settings, qps, at_once, pause):
        use(settings, qps=qps)
        assert count_calls() == at_once
        fast_forward(pause - 0.5)
        assert count_calls() == 0
        fast_forward(0.6)
        assert count_calls() == at_once

    def test_high_rate_is_kept_by_slots_that_come_round_more_often(self, settings, server, save, monkeypatch):
        monkeypatch.setattr(slots, "MAX_SLOTS", 4)
        use_server(settings, server, qps=10)
        save(25)
        while list(sweep(patience=2)):
            pass
        assert ProviderSlot.objects.count() <= 4
        assert len(server.log()) == 25
        assert most_within_a_second(server) <= 10

    def test_another_rate_holds_at_once(self, settings):
        use(settings, qps=2)
        assert count_calls() == 2
        use(settings, qps=5)
        assert count_calls() == 3
        fast_forward(2)
        assert count_calls() == 5
        use(settings, qps=3)
        fast_forward(2)
        assert count_calls() == 3

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
        assert not ProviderSlot.objects.exists()


class TestPatience:
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
        before = ProviderSlot.objects.get().free_at
        for _ in range(3):
            with pytest.raises(NotAdmitted) as refused, calling("default"):
                raise AssertionError("It was called.")
            assert 5 < refused.value.retry_after <= 10.1
        assert ProviderSlot.objects.get().free_at == before

    def test_what_was_put_off_is_judged_in_the_end(self, settings, save):
        use(settings, qps=0.1)
        save(4)
        for _ in range(40):
            list(sweep())
            fast_forward(10.1)
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


class TestTurnsOfRequests:
    """A provider that takes a turn for each of its requests."""

    def test_each_request_counts(self, settings, save):
        use(settings, TURN_TAKER, qps=5)
        save(3)
        started = time.monotonic()
        while list(sweep(patience=2)):
            pass
        assert outcomes() == {(Status.PASSED, 1, "")}
        # The last of six.
        assert time.monotonic() - started >= 1

    def test_one_that_is_too_far_away_costs_no_attempt(self, settings, save, monkeypatch):
        monkeypatch.setattr(rate, "MIDWAY_PATIENCE", 0)
        use(settings, TURN_TAKER, qps=0.1)
        save(1)
        list(sweep())
        assert outcomes() == {(Status.PENDING, 0, ErrorCode.THROTTLED)}

    def test_what_was_begun_waits_longer_than_what_was_not(self, settings, save):
        use(settings, TURN_TAKER, qps=1)
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
        assert not ProviderSlot.objects.exists()


class TestLate:
    """What happens between a turn and its call does not crowd the second after it."""

    @pytest.fixture(autouse=True)
    def one_slot(self, settings, one_by_one):
        use(settings, qps=5)
        begin_calls(1)

    @pytest.fixture
    def sleep(self, monkeypatch) -> Callable[[Callable[[float], None]], None]:
        """Return a function that has those who wait for their turn sleep as another function does."""

        def put(function: Callable[[float], None]) -> None:
            monkeypatch.setattr(rate, "time", SimpleNamespace(sleep=function, monotonic=time.monotonic))

        return put

    def test_who_is_in_time_says_nothing(self, monkeypatch):
        monkeypatch.setattr(slots, "PUNCTUAL", 5.0)
        begin_calls(1)
        fast_forward(10)
        is_taken_at_once = connection.vendor == "postgresql"
        with CaptureQueriesContext(connection) as captured:
            begin_calls(1)
        about_slots = [query["sql"] for query in captured if ProviderSlot._meta.db_table in query["sql"]]
        assert len(about_slots) == (1 if is_taken_at_once else 2)

    def test_process_that_oversleeps(self, sleep):
        late = iter([0.0, 0.15])
        sleep(lambda seconds: time.sleep(seconds + next(late, 0)))
        assert min(distances(begin_calls(4))) >= 0.2 - ON_THE_WAY
        assert not list(late)

    def test_process_that_oversleeps_until_another_has_its_slot(self, sleep):
        begun = []

        def sleep_long(seconds: float) -> None:
            sleep(time.sleep)
            fast_forward(LONG_AGO + 0.2)
            begun.extend(begin_calls(1))

        sleep(sleep_long)
        begun += begin_calls(2)
        assert len(begun) == 3
        assert min(distances(begun)) >= 0.2 - ON_THE_WAY

    def ask(self, server: FaultServer) -> None:
        caller: Any = providers["default"]
        caller.send("GET", f"{server.url}/echo")

    def test_request_that_leaves_late(self, settings, server):
        use_server(settings, server, qps=5)
        for delay in (0.0, 0.15, 0.0, 0.0):
            with calling("default", patience=10):
                # As a connection may take to be made.
                time.sleep(delay)
                self.ask(server)
        assert min(distances([entry.at for entry in server.log()])) >= 0.2 - ON_THE_WAY

    def test_request_that_leaves_when_another_has_its_slot(self, settings, server):
        use_server(settings, server, qps=5)
        with calling("default", patience=10):
            time.sleep(2 * slots.PUNCTUAL)
            ProviderSlot.objects.update(free_at=DatabaseNow() + timedelta(seconds=0.5))
            began = time.monotonic()
            self.ask(server)
        assert server.log()[0].at - began >= 0.5 - ON_THE_WAY

    def test_process_that_is_killed_before_it_calls(self, sleep):
        class Killed(BaseException):
            pass

        def die(seconds: float) -> None:
            raise Killed

        fast_forward(LONG_AGO)
        sleep(die)
        with pytest.raises(Killed), calling("default"):
            raise AssertionError("It was called.")
        sleep(time.sleep)
        assert count_calls() == 0
        # For all that others know, it called.
        fast_forward(0.25)
        assert count_calls() == 1

    def test_call_that_lasts_long_holds_up_nobody(self):
        fast_forward(LONG_AGO)
        with calling("default"):
            fast_forward(0.25)
            assert count_calls() == 1

    @pytest.mark.parametrize("is_before", [True, False])
    @pytest.mark.parametrize("beginnings", [("SELECT", "WITH"), ("UPDATE",)])
    def test_database_that_is_slow_now_and_then(self, beginnings, is_before):
        """It may read its clock at any time between the question and the answer."""
        begun = []
        for delay in (0.3, 0.0, 0.3, 0.0):

            def be_slow(execute: Callable[..., Any], sql: str, *rest: Any, delay: float = delay) -> Any:
                is_meant = ProviderSlot._meta.db_table in sql and sql.lstrip().startswith(beginnings)
                time.sleep(delay if is_meant and is_before else 0)
                try:
                    return execute(sql, *rest)
                finally:
                    time.sleep(delay if is_meant and not is_before else 0)

            with connection.execute_wrapper(be_slow):
                begun += begin_calls(1)
        assert min(distances(begun)) >= 0.2 - ON_THE_WAY
