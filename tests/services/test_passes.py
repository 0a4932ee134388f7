"""The periodic comparison of rows and records: slice by slice, whichever process comes next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db.models import F, Model
from django.utils import timezone

from django_imgmod.choices import Status
from django_imgmod.models import ModerationRecord, ReconcilePass
from django_imgmod.registry import watched_fields
from django_imgmod.services import passes
from django_imgmod.services.passes import take_due_slices
from django_imgmod.services.submission import work
from tests.hostapp.models import Photo, StringPhoto, UuidPhoto

pytestmark = pytest.mark.django_db(databases=["default", "other"])


@pytest.fixture
def compare_only(settings, monkeypatch):
    """Return a function that limits the comparison to one model, and makes its row for the progress."""
    settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}

    def limit(model: type[Model]) -> None:
        ReconcilePass.objects.all().delete()
        monkeypatch.setattr(passes, "all_watched_fields", lambda: watched_fields(model))
        take_due_slices()

    return limit


@pytest.fixture(autouse=True)
def only_photos(compare_only):
    compare_only(Photo)


def move_time(**duration: float) -> None:
    ReconcilePass.objects.update(due_at=F("due_at") - timedelta(**duration))


def finish_pass() -> int:
    """Take slices until the pass is over; return how many there were."""
    before = ReconcilePass.objects.get().finished_at
    count = 0
    while ReconcilePass.objects.get().finished_at == before:
        move_time(minutes=11)
        count += take_due_slices()
        assert count < 50
    return count


def test_row_that_lost_its_record_is_found_within_one_period(picture):
    """The process died after the commit of the row and before that of its record."""
    photo = Photo.objects.create(image=picture())
    ModerationRecord.objects.all().delete()
    finish_pass()
    record = ModerationRecord.objects.get()
    assert (record.object_id, record.status) == (str(photo.pk), Status.PENDING)
    assert ReconcilePass.objects.get().found_count == 1


def test_record_whose_object_is_gone_is_superseded(picture):
    Photo.objects.create(image=picture())
    Photo.objects.all()._raw_delete("default")
    finish_pass()
    assert ModerationRecord.objects.get().status == Status.SUPERSEDED


@pytest.mark.parametrize("model", [Photo, UuidPhoto, StringPhoto])
def test_goes_on_where_the_slice_before_ended(picture, monkeypatch, compare_only, model):
    compare_only(model)
    monkeypatch.setattr(passes, "SLICE", 2)
    keys = {"code": "a b/%d"} if model is StringPhoto else {}
    for number in range(5):
        model.objects.create(image=picture(number), **{name: value % number for name, value in keys.items()})
    ModerationRecord.objects.all().delete()
    # Two of two rows and one of one, then as many records.
    assert finish_pass() == 6
    assert ModerationRecord.objects.count() == 5


class TestFilesThatAreGone:
    """Each look at them leaves a superseded record: at one every ten minutes, 144 a day and picture."""

    @pytest.fixture
    def gone(self, picture) -> Photo:
        photo = Photo.objects.create(image=picture())
        Path(photo.image.path).unlink()
        work(ModerationRecord.objects.get().public_id, using="default")
        assert ModerationRecord.objects.get().status == Status.SUPERSEDED
        return photo

    def test_are_left_alone_from_then_on(self, gone):
        finish_pass()
        assert ReconcilePass.objects.get().found_count == 0
        assert ModerationRecord.objects.count() == 1

    def test_are_judged_once_they_are_back(self, gone, picture):
        gone.image.storage.save(gone.image.name, picture())
        finish_pass()
        assert ModerationRecord.objects.current().get().file_name == gone.image.name

    def test_do_not_keep_the_record_of_another_file_current(self, gone, picture):
        missing = gone.image.name
        gone.image.save("other.png", picture(2))
        Photo.objects.filter(pk=gone.pk).update(image=missing)
        finish_pass()
        assert ModerationRecord.objects.current().get().file_name == missing

    def test_storage_that_does_not_answer_has_not_lost_them(self, gone, monkeypatch):
        def fail(name):
            raise OSError("The storage is away.")

        monkeypatch.setattr(Photo._meta.get_field("image").storage, "exists", fail)
        finish_pass()
        assert ModerationRecord.objects.current().get().status == Status.PENDING


def test_rests_for_the_period_when_it_is_through():
    finish_pass()
    one = ReconcilePass.objects.get()
    assert timedelta(minutes=9) < one.due_at - timezone.now() <= passes.PERIOD
    assert take_due_slices() == 0


def test_nothing_to_do_costs_one_statement(django_assert_num_queries):
    finish_pass()
    with django_assert_num_queries(1):
        take_due_slices()


def test_found_count_is_that_of_the_last_pass(picture):
    Photo.objects.create(image=picture())
    ModerationRecord.objects.all().delete()
    finish_pass()
    finish_pass()
    assert ReconcilePass.objects.get().found_count == 0


def test_slice_that_another_process_takes_is_left_to_it():
    move_time(minutes=11)
    stale = ReconcilePass.objects.get()
    assert take_due_slices() == 1
    assert not passes._claim(stale)


def test_slice_whose_process_died_is_taken_again(monkeypatch, picture):
    def die(*args, **kwargs):
        raise KeyboardInterrupt

    move_time(minutes=11)
    with monkeypatch.context() as patch:
        patch.setattr(passes, "reconcile_slice", die)
        with pytest.raises(KeyboardInterrupt):
            take_due_slices()
    Photo.objects.create(image=picture())
    ModerationRecord.objects.all().delete()
    assert take_due_slices() == 0
    finish_pass()
    assert ModerationRecord.objects.count() == 1


class TestPicturesThatWereThereBefore:
    """Having a million old pictures judged is for a person to decide, who knows the price."""

    @pytest.fixture
    def old(self, picture, compare_only) -> Callable[[type[Model]], Model]:
        def save_before(model: type[Model]) -> Model:
            instance = model.objects.create(image=picture(1))
            ModerationRecord.objects.all().delete()
            compare_only(model)
            return instance

        return save_before

    @pytest.mark.parametrize("model", [Photo, UuidPhoto])
    def test_are_left_alone_and_counted(self, old, model):
        old(model)
        for _ in range(2):
            finish_pass()
            assert not ModerationRecord.objects.exists()
            assert ReconcilePass.objects.get().left_count == 1

    def test_do_not_hide_what_was_lost_since(self, old, picture):
        old(Photo)
        lost = Photo.objects.create(image=picture(2))
        ModerationRecord.objects.all().delete()
        finish_pass()
        assert ModerationRecord.objects.get().object_id == str(lost.pk)

    def test_are_compared_once_they_have_a_record(self, old, picture):
        photo = old(Photo)
        photo.image = picture(3)
        photo.save()
        Photo.objects.filter(pk=photo.pk).update(image="photos/other.png")
        finish_pass()
        assert ModerationRecord.objects.current().get().file_name == "photos/other.png"

    def test_are_no_excuse_once_all_are_recorded(self, old, picture):
        old(UuidPhoto)
        call_command("imgmod_reconcile", verbosity=0)
        finish_pass()
        assert ReconcilePass.objects.get().is_complete
        UuidPhoto.objects.create(image=picture(2))
        ModerationRecord.objects.all().delete()
        finish_pass()
        assert ModerationRecord.objects.count() == 2
