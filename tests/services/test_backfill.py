"""Old pictures are judged: each once, at the pace and for the money that was said, whatever comes in between."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Q
from django.utils import timezone

from django_imgmod.choices import ErrorCode, Outcome, Status
from django_imgmod.exceptions import ProviderAuthError, ProviderRefused
from django_imgmod.models import ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.registry import get_watched_field
from django_imgmod.services import backlog
from django_imgmod.services.backfill import MAX_TROUBLE, Backfill, Ending, Orders
from django_imgmod.services.decisions import decide
from django_imgmod.services.estimates import Plan, cost_of, make_plan, seconds_for
from django_imgmod.services.shadow import enforce
from django_imgmod.services.sweep import sweep
from django_imgmod.services.walk import Walk
from django_imgmod.shortcuts import filter_visible, is_image_visible
from tests.hostapp.models import Photo, StringPhoto, SuffixedPhoto, UuidPhoto, UuidPortrait

pytestmark = pytest.mark.django_db(databases=["default", "other"])

DUMMY = "django_imgmod.providers.dummy.DummyProvider"


class Watch(threading.Event):
    """Nobody waits in earnest; says how long would have been waited."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0)
        return self.is_set()


def through(model: Any = Photo, *, using: str = "default", batch: int = 3) -> Walk:
    watched = get_watched_field(model, "image")
    assert watched is not None
    return Walk.through(watched, using=using, batch=batch)


def run(walk: Walk | None = None, *, stop: threading.Event | None = None, **orders: Any) -> Backfill:
    backfill = Backfill(walk or through(), Orders(**orders), stop or Watch())
    list(backfill.run())
    return backfill


def dummy() -> DummyProvider:
    provider = providers["default"]
    assert isinstance(provider, DummyProvider)
    return provider


def judged() -> list[str]:
    """The files that the provider was called for."""
    return sorted(source.file_name for source in dummy().calls)


def statuses() -> list[str]:
    return list(ModerationRecord.objects.order_by("pk").values_list("status", flat=True))


def configure(settings: Any, **options: Any) -> None:
    settings.IMGMOD = {**settings.IMGMOD, "PROVIDERS": {"default": {"BACKEND": DUMMY, **options}}}


@pytest.fixture
def old(picture) -> Callable[..., list[str]]:
    """Return a function that stores pictures and writes rows past the signals; it returns their names."""

    def write(*numbers: int, model: Any = Photo, using: str = "default", **columns: Any) -> list[str]:
        field = model._meta.get_field("image")
        names = [field.storage.save(f"old/{model.__name__}.png", picture(number)) for number in numbers]
        model.objects.using(using).bulk_create([model(**{field.attname: name}, **columns) for name in names])
        return names

    return write


class TestRun:
    def test_each_old_picture_is_judged_once(self, old):
        names = old(*range(7))
        assert run().tally.statuses == {Status.PASSED: 7}
        assert judged() == sorted(names)
        again = run()
        assert (again.ending, again.tally.done_count) == (Ending.DONE, 0)
        assert judged() == sorted(names)

    def test_rows_with_a_record_or_without_a_file_are_passed_over(self, old, picture):
        Photo.objects.bulk_create([Photo(), Photo(image="")])
        new = Photo.objects.create(image=picture(50))
        ModerationRecord.objects.update(status=Status.BLOCKED, due_at=None)
        [name] = old(1)
        run()
        assert judged() == [name]
        assert not is_image_visible(new, "image")

    @pytest.mark.parametrize("model", [UuidPhoto, StringPhoto, SuffixedPhoto])
    def test_every_kind_of_key(self, old, model):
        old(1, model=model, **({"code": "SKU 1"} if model is StringPhoto else {}))
        run(through(model))
        assert list(filter_visible(model.objects.all(), "image")) == list(model.objects.all())
        assert model.objects.exists()

    def test_key_that_is_another_models(self, old):
        old(1, model=UuidPhoto)
        old(2, model=UuidPortrait, photo=UuidPhoto.objects.get())
        run(through(UuidPortrait))
        assert list(filter_visible(UuidPortrait.objects.all(), "image")) == [UuidPortrait.objects.get()]

    def test_other_database(self, old):
        [name] = old(1, using="other")
        assert run().tally.done_count == 0
        run(through(using="other"))
        record = ModerationRecord.objects.using("other").get()
        assert (record.file_name, record.status) == (name, Status.PASSED)

    def test_only_the_rows_that_are_meant(self, old):
        old(1, title="old")
        [name] = old(2, title="new")
        run(condition=Q(title="new"))
        assert judged() == [name]

    def test_shadow_has_no_consequences(self, old):
        dummy().script("high", "none")
        old(1, 2)
        assert run(is_shadow=True).tally.statuses == {Status.BLOCKED: 1, Status.PASSED: 1}
        assert filter_visible(Photo.objects.all(), "image").count() == 2

    def test_same_bytes_cost_one_call(self, old):
        old(1, 1, 1, 2)
        backfill = run(budget=2)
        assert (backfill.ending, backfill.tally.reused_count, backfill.tally.judged_count) == (Ending.DONE, 2, 2)
        assert backfill.tally.call_count == len(dummy().calls) == 2

    @pytest.mark.django_db(transaction=True, databases=["default", "other"])
    def test_answers_that_come_later(self, old, settings):
        configure(settings, OPTIONS={"is_asynchronous": True})
        old(1, 1, 2)
        backfill = run()
        # The second of the same bytes waits for the first.
        assert backfill.tally.statuses == {Status.SUBMITTED: 2, Status.PENDING: 1}
        assert (backfill.tally.call_count, backfill.tally.failed_count) == (2, 0)
        for _ in range(3):
            list(sweep())
        assert statuses() == [Status.PASSED] * 3

    def test_file_that_is_gone(self, old, media_root):
        [gone, name] = old(1, 2)
        Path(media_root, gone).unlink()
        backfill = run()
        assert backfill.tally.statuses == {Status.SUPERSEDED: 1, Status.PASSED: 1}
        assert judged() == [name]

    def test_row_that_was_replaced_meanwhile(self, old, monkeypatch):
        _, other = old(1, 2)
        Photo.objects.last().delete()
        opened = backlog.open_record

        def replace_and_open(*args: Any, **options: Any) -> Any:
            Photo.objects.update(image=other)
            return opened(*args, **options)

        monkeypatch.setattr(backlog, "open_record", replace_and_open)
        run(is_shadow=True)
        record = ModerationRecord.objects.current().get()
        assert (record.file_name, record.is_shadow) == (other, False)
        assert judged() == [other]

    def test_row_that_was_deleted_meanwhile(self, old, monkeypatch):
        old(1)
        opened = backlog.open_record

        def delete_and_open(*args: Any, **options: Any) -> Any:
            Photo.objects.all()._raw_delete("default")
            return opened(*args, **options)

        monkeypatch.setattr(backlog, "open_record", delete_and_open)
        run()
        assert statuses() == [Status.SUPERSEDED]
        assert judged() == []

    def test_row_that_somebody_else_saved_meanwhile(self, old, monkeypatch):
        [name] = old(1)
        opened = backlog.open_record

        def save_and_open(*args: Any, **options: Any) -> Any:
            Photo.objects.get().save()
            return opened(*args, **options)

        monkeypatch.setattr(backlog, "open_record", save_and_open)
        assert run().tally.done_count == 1
        # Its record is due, and the worker's.
        assert statuses() == [Status.PENDING]
        run()
        assert judged() == [name]

    def test_rows_with_a_record_cost_few_statements(self, old, django_assert_max_num_queries):
        old(*range(10))
        run()
        # Rows, and records, for each of two batches, and a look whether there are more.
        with django_assert_max_num_queries(5):
            run(through(batch=5))


class TestStopping:
    def test_stops_after_the_present_record_and_goes_on(self, old, monkeypatch):
        names = old(*range(5))
        stop = Watch()
        backfill = Backfill(through(), Orders(), stop)
        for _ in backfill.run():
            if backfill.tally.done_count == 2:
                stop.set()
        assert (backfill.ending, backfill.tally.done_count) == (Ending.STOPPED, 2)
        assert len(judged()) == 2
        assert run().tally.done_count == 3
        assert judged() == sorted(names)

    def test_stops_in_the_midst_of_rows_that_are_done(self, old):
        old(*range(7))
        run()
        stop = Watch()
        stop.set()
        assert run(stop=stop).ending == Ending.STOPPED

    def test_crash_leaves_few_records_which_the_next_run_takes_up(self, old, monkeypatch):
        names = old(*range(8))
        submit, killed = DummyProvider.submit, []

        def die(self: DummyProvider, source: Any) -> Any:
            if len(self.calls) == 2 and not killed:
                killed.append(source.file_name)
                raise KeyboardInterrupt
            return submit(self, source)

        monkeypatch.setattr(DummyProvider, "submit", die)
        with pytest.raises(KeyboardInterrupt):
            run(through(batch=8), batch=4)
        assert statuses() == [Status.PASSED] * 2 + [Status.PENDING] * 2
        assert run().tally.judged_count == 5
        # The one that it died of is held by its lease, and judged when that has run out.
        assert set(names) - set(judged()) == set(killed)
        ModerationRecord.objects.filter(status=Status.PENDING).update(lease_until=timezone.now() - timedelta(seconds=1))
        assert run().tally.statuses == {Status.PASSED: 1}
        assert judged() == sorted(names)

    @pytest.mark.parametrize("batch", [1, 2, 10])
    def test_budget(self, old, batch):
        old(*range(7))
        backfill = run(through(batch=5), budget=3, batch=batch)
        assert (backfill.ending, backfill.tally.call_count, len(dummy().calls)) == (Ending.BUDGET, 3, 3)
        # Nothing is left to a worker, who would spend more.
        assert statuses() == [Status.PASSED] * 3
        assert run(budget=4).ending == Ending.DONE

    def test_rate(self, old):
        stop = Watch()
        old(1, 1, 2, 3)
        run(stop=stop, rate=0.1)
        # Nobody waited, so the third call would have been 20 seconds early; what was reused costs no time.
        assert [round(seconds) for seconds in stop.waits] == [10, 10, 20]

    def test_rate_of_the_provider(self, old, settings):
        configure(settings, OPTIONS={"qps": 0.01})
        stop = Watch()
        old(1, 2)
        backfill = Backfill(through(), Orders(rate=100), stop)
        stop.wait = lambda timeout: stop.waits.append(timeout) or stop.set()
        list(backfill.run())
        assert [round(seconds) for seconds in stop.waits] == [100]
        assert len(dummy().calls) <= 1


class TestFailures:
    def test_causes_are_counted_and_the_rest_is_judged(self, old):
        refusal = ProviderRefused("It is all black.", code=ErrorCode.DAMAGED)
        dummy().script(*[refusal] * (MAX_TROUBLE + 2), "none")
        names = old(*range(MAX_TROUBLE + 3))
        backfill = run()
        assert backfill.ending == Ending.DONE
        assert backfill.tally.statuses == {Status.IN_REVIEW: MAX_TROUBLE + 2, Status.PASSED: 1}
        failure = backfill.tally.failures[ErrorCode.DAMAGED]
        assert (failure.count, failure.file_name, failure.message) == (MAX_TROUBLE + 2, names[0], "It is all black.")

    def test_provider_that_is_down_does_not_spoil_everything(self, old, settings):
        configure(settings, OPTIONS={"is_down": True})
        old(*range(30))
        stop = Watch()
        backfill = run(through(batch=30), stop=stop, batch=2)
        assert (backfill.ending, backfill.tally.done_count) == (Ending.TROUBLE, MAX_TROUBLE)
        assert sum(stop.waits) > 60
        # All of them wait for better times.
        assert statuses() == [Status.PENDING] * MAX_TROUBLE

    def test_file_that_cannot_be_read_costs_no_call(self, old):
        old(1)
        Photo.objects.update(image="../outside.png")
        backfill = run(budget=5)
        assert (backfill.tally.call_count, backfill.tally.failures.keys()) == (0, {ErrorCode.STORAGE})

    def test_asking_again_for_an_answer_costs_no_call(self, old, settings):
        configure(settings, OPTIONS={"is_asynchronous": True})
        old(1)
        assert run().tally.call_count == 1
        ModerationRecord.objects.update(error_code=ErrorCode.UNAVAILABLE, reference="forgotten")
        backfill = run(is_retrying=True)
        assert (backfill.tally.statuses, backfill.tally.call_count) == ({Status.SUBMITTED: 1}, 0)

    def test_one_that_works_ends_the_trouble(self, old):
        trouble = [ProviderAuthError("The key is wrong.")] * 5
        dummy().script(*trouble, "none", *trouble, "none")
        old(*range(12))
        backfill = run()
        assert (backfill.ending, backfill.tally.judged_count) == (Ending.DONE, 2)

    def test_errors_are_tried_again_only_if_so_asked(self, old):
        dummy().script(ProviderRefused("Too dark."), ProviderRefused("Too bright."))
        old(1, 2, 3)
        run()
        assert run().tally.done_count == 0
        again = run(is_retrying=True)
        assert again.tally.statuses == {Status.PASSED: 2}
        assert statuses() == [Status.SUPERSEDED] * 2 + [Status.PASSED] * 3
        assert run(is_retrying=True).tally.done_count == 0

    def test_what_was_postponed_is_tried_again_at_once(self, old, settings):
        dummy().script(RuntimeError("the engine broke"))
        old(1)
        assert run().tally.statuses == {Status.PENDING: 1}
        assert run().tally.statuses == {Status.PENDING: 1}
        assert len(dummy().calls) == 1
        assert run(is_retrying=True).tally.statuses == {Status.PASSED: 1}
        record = ModerationRecord.objects.get()
        assert (record.error_code, record.attempt_count) == ("", 1)

    def test_shadow_stays_a_shadow(self, old):
        dummy().script(ProviderRefused("Too dark."), "high")
        old(1)
        run(is_shadow=True)
        run(is_retrying=True)
        record = ModerationRecord.objects.current().get()
        assert (record.status, record.is_shadow) == (Status.BLOCKED, True)

    @pytest.mark.parametrize("outcome", [Outcome.BLOCK, Outcome.PASS])
    def test_decision_of_a_person_stands(self, old, outcome):
        dummy().script(ProviderRefused("Too dark."))
        old(1)
        run()
        decide(ModerationRecord.objects.get(), outcome, decided_by=None)
        assert run(is_retrying=True).tally.done_count == 0
        assert len(dummy().calls) == 1

    def test_decision_that_comes_between_stands(self, old, monkeypatch):
        dummy().script(ProviderRefused("Too dark."))
        old(1)
        run()
        retry = backlog.retry

        def decide_and_retry(record: ModerationRecord, target: Any) -> Any:
            decide(ModerationRecord.objects.get(), Outcome.PASS, decided_by=None)
            return retry(record, target)

        monkeypatch.setattr(backlog, "retry", decide_and_retry)
        assert run(is_retrying=True).tally.done_count == 0
        assert statuses() == [Status.PASSED]


class TestPlan:
    def plan(self, **options: Any) -> Plan:
        return make_plan(through(), Q(), **options)

    def test_counts(self, old, picture):
        Photo.objects.create()
        Photo.objects.create(image=picture(40))
        ModerationRecord.objects.update(status=Status.PASSED)
        Photo.objects.create(image=picture(41))
        Photo.objects.bulk_create([Photo(image=name) for name in ["old/a.png", "old/A.png", "old/a.png"]])
        plan = self.plan()
        assert (plan.row_count, plan.work_count, plan.is_exact) == (5, 4, False)
        # Not more than there are names; and a name in capitals is another name.
        assert plan.content_count == plan.call_count == 4
        Photo.objects.filter(image="").delete()
        Photo.objects.bulk_create([Photo(image="old/a.png")] * 3)
        assert (self.plan().work_count, self.plan().call_count) == (7, 4)

    def test_reading_tells_what_is_known(self, old, media_root):
        old(1, 1)
        run()
        [*_, gone] = old(1, 2, 2, 3, 4)
        Path(media_root, gone).unlink()
        Photo.objects.bulk_create([Photo(image="../outside.png")])
        plan = self.plan(is_reading=True)
        assert (plan.content_count, plan.known_count, plan.call_count) == (3, 1, 2)
        assert (plan.missing_count, plan.unreadable_count) == (1, 1)
        assert ModerationRecord.objects.count() == 2

    def test_decision_about_the_same_bytes_spares_the_call(self, old, settings):
        old(1)
        run()
        decide(ModerationRecord.objects.get(), Outcome.BLOCK, decided_by=None)
        configure(settings, OPTIONS={"risk_level": "low"})
        old(1)
        assert self.plan(is_reading=True).call_count == 0
        run()
        assert dummy().calls == dummy().calls[:1]

    def test_another_service_spares_nothing(self, old, settings):
        old(1)
        run()
        configure(settings, OPTIONS={"risk_level": "low"})
        old(1)
        assert self.plan(is_reading=True).call_count == 1

    def test_what_failed_counts_if_it_is_to_be_tried_again(self, old):
        dummy().script(ProviderRefused("Too dark."))
        old(1, 2)
        run()
        assert self.plan().work_count == 0
        assert self.plan(is_retrying=True).work_count == 1

    def test_statements_do_not_grow_with_the_rows(self, old, django_assert_max_num_queries):
        old(*range(30))
        with django_assert_max_num_queries(6):
            make_plan(through(batch=20), Q())

    def test_time(self, old, settings):
        configure(settings, OPTIONS={"qps": 4})
        known = {"provider": "default", "using": "default"}
        assert seconds_for(100, rate=None, **known) == 25
        assert seconds_for(100, rate=2, **known) == 50
        assert seconds_for(100, rate=10, **known) == 25
        configure(settings)
        assert seconds_for(100, rate=None, **known) is None
        old(*range(10))
        run()
        now = timezone.now()
        ModerationRecord.objects.update(
            created_at=now - timedelta(hours=1), submitted_at=now - timedelta(seconds=3), verdict_at=now
        )
        assert seconds_for(100, rate=None, **known) == pytest.approx(300)
        # A rate that the provider is too slow for does not make it any faster.
        assert seconds_for(100, rate=10, **known) == pytest.approx(300)
        assert seconds_for(100, rate=0.1, **known) == 1000

    def test_time_of_answers_that_come_later_is_not_known(self, old):
        old(*range(10))
        run()
        now = timezone.now()
        ModerationRecord.objects.update(submitted_at=now - timedelta(minutes=3), verdict_at=now)
        assert seconds_for(100, provider="default", rate=None, using="default") is None

    def test_cost(self, settings):
        assert cost_of(1500, provider="default") is None
        configure(settings, PRICE_PER_1000="1.20 USD")
        assert cost_of(1500, provider="default") == "1.80 USD"


class TestEnforce:
    def test_shadow_records_of_the_field_take_effect(self, old):
        dummy().script("high", "none", "high")
        old(1, 2)
        old(3, model=UuidPhoto)
        run(is_shadow=True)
        run(through(UuidPhoto), is_shadow=True)
        versions = dict(ModerationRecord.objects.values_list("pk", "version"))
        [counted] = enforce(through(), is_dry=True)
        assert counted == {Status.BLOCKED: 1, Status.PASSED: 1}
        assert filter_visible(Photo.objects.all(), "image").count() == 2
        [counted] = enforce(through())
        assert counted == {Status.BLOCKED: 1, Status.PASSED: 1}
        assert filter_visible(Photo.objects.all(), "image").count() == 1
        assert filter_visible(UuidPhoto.objects.all(), "image").count() == 1
        grown = {pk: version - versions[pk] for pk, version in ModerationRecord.objects.values_list("pk", "version")}
        assert sorted(grown.values()) == [0, 1, 1]
        assert not any(portion.total() for portion in enforce(through()))

    def test_evidence_of_a_replaced_picture_stays_as_it_was(self, old):
        old(1)
        run(is_shadow=True)
        ModerationRecord.objects.update(status=Status.SUPERSEDED, current_key=None)
        assert [portion.total() for portion in enforce(through())] == [0]
        assert ModerationRecord.objects.get().is_shadow

    def test_batch_by_batch(self, old):
        old(*range(7))
        run(is_shadow=True)
        assert [portion.total() for portion in enforce(through(batch=3))] == [3, 3, 1]
        assert not ModerationRecord.objects.filter(is_shadow=True).exists()
