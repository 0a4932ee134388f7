"""What was written past the signals is found and mended; what agrees is left alone."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from django_imgmod.choices import Status
from django_imgmod.models import ModerationRecord
from tests.hostapp.models import (
    NullablePhoto,
    NumberedPhoto,
    OverwrittenPhoto,
    PanoramaPhoto,
    Photo,
    SizedPhoto,
    StringPhoto,
    UuidPhoto,
    UuidPortrait,
)

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


def run(*args: str, **options: Any) -> list[str]:
    """Return the lines that the command prints, the sum last."""
    output = StringIO()
    call_command("imgmod_reconcile", *args, stdout=output, **options)
    return output.getvalue().splitlines()


def rows() -> list[tuple[Any, ...]]:
    return list(ModerationRecord.objects.order_by("pk").values_list("file_name", "status", "version"))


def test_everything_agrees(picture):
    for model in (Photo, PanoramaPhoto, UuidPhoto, NumberedPhoto, NullablePhoto):
        model.objects.create(image=picture())
    StringPhoto.objects.create(code="a", image=picture())
    UuidPortrait.objects.create(photo=UuidPhoto.objects.get(), image=picture())
    NullablePhoto.objects.create()
    before = rows()
    assert run("--rehash") == ["mended: nothing, everything agrees"]
    assert rows() == before


def test_file_that_is_still_gone_is_told_and_left_to_a_person(picture):
    photo = Photo.objects.create(image=picture())
    Path(photo.image.path).unlink()
    assert run("--rehash")[-1] == "mended: 1 file_missing"
    before = rows()
    told = [
        f"gone           hostapp.Photo.image of '{photo.pk}': '{photo.image.name}'",
        "1 of the files are still not there: clear or replace them.",
    ]
    assert run() == [*told, "mended: nothing"]
    assert run("--dry-run") == [*told, "found: nothing"]
    assert rows() == before
    photo.image.storage.save(photo.image.name, picture())
    assert run()[-1] == "mended: 1 unrecorded"


def test_batch_of_nothing_is_refused_as_by_the_other_commands():
    with pytest.raises(CommandError, match="--batch: must be more than 0"):
        call_command("imgmod_reconcile", "--batch=0")


def test_what_was_written_past_the_signals_is_judged(picture):
    storage = Photo._meta.get_field("image").storage
    names = [storage.save(f"photos/{number}.png", picture(number)) for number in range(5)]
    Photo.objects.bulk_create([Photo(image=name) for name in names])
    Photo.objects.create()
    assert run(batch=2)[-1] == "mended: 5 unrecorded"
    assert [(name, Status.PASSED) for name in names] == [row[:2] for row in rows()]
    assert run() == ["mended: nothing, everything agrees"]


def test_update_and_clear(picture):
    one, two = Photo.objects.create(image=picture(1)), Photo.objects.create(image=picture(2))
    Photo.objects.filter(pk=one.pk).update(image=two.image.name)
    Photo.objects.filter(pk=two.pk).update(image="")
    assert run()[-1] == "mended: 2 unrecorded"
    record = ModerationRecord.objects.current().get()
    assert (record.object_id, record.file_name) == (str(one.pk), two.image.name)


@pytest.mark.parametrize("model", [Photo, UuidPhoto, StringPhoto])
def test_record_without_its_object(picture, model):
    gone = model.objects.create(image=picture(), **({"code": "gone"} if model is StringPhoto else {}))
    model.objects.create(image=picture(2), **({"code": "kept"} if model is StringPhoto else {}))
    model.objects.filter(pk=gone.pk)._raw_delete("default")
    assert run()[-1] == "mended: 1 object_missing"
    assert [status for _, status, _ in rows()] == [Status.SUPERSEDED, Status.PASSED]


def test_file_that_is_gone(picture):
    photo = Photo.objects.create(image=picture())
    Path(photo.image.path).unlink()
    assert run()[-1] == "mended: nothing, everything agrees"
    assert run("--rehash")[-1] == "mended: 1 file_missing"
    assert not ModerationRecord.objects.current().exists()


def test_bytes_that_were_overwritten(picture):
    photo = OverwrittenPhoto.objects.create(image=picture(1, name="same.png"))
    photo.image.save("same.png", picture(2))
    digest = ModerationRecord.objects.current().get().sha256
    assert run("--rehash")[-1] == "mended: 1 overwritten"
    record = ModerationRecord.objects.current().get()
    assert record.sha256 != digest
    assert record.status == Status.PASSED
    assert run("--rehash") == ["mended: nothing, everything agrees"]


def test_files_of_rows_that_know_their_dimensions_are_not_opened(django_assert_max_num_queries):
    SizedPhoto.objects.bulk_create([SizedPhoto() for _ in range(20)])
    SizedPhoto.objects.update(image="sized/not-there.png")
    with django_assert_max_num_queries(8):
        assert run("hostapp.SizedPhoto.image", "--dry-run")[-1] == "found: 20 unrecorded"


def test_dry_run_changes_nothing():
    Photo.objects.bulk_create([Photo(image="photos/a\n.png")])
    lines = run("--dry-run")
    assert lines[0] == f"unrecorded     hostapp.Photo.image of '{Photo.objects.get().pk}': 'photos/a\\n.png'"
    assert lines[-1] == "found: 1 unrecorded"
    assert rows() == []


def test_only_the_named_field(picture):
    Photo.objects.bulk_create([Photo(image="photos/a.png")])
    UuidPhoto.objects.bulk_create([UuidPhoto(image="uuid/a.png")])
    assert run("hostapp.UuidPhoto.image", "--dry-run")[-1] == "found: 1 unrecorded"
    with pytest.raises(CommandError, match=r"Not watched: hostapp\.Photo\.title"):
        run("hostapp.Photo.title")


def test_other_database(picture):
    photo = Photo(image=picture())
    photo.save(using="other")
    ModerationRecord.objects.using("other").all().delete()
    assert run() == ["mended: nothing, everything agrees"]
    assert run(database="other")[-1] == "mended: 1 unrecorded"
    assert ModerationRecord.objects.using("other").get().status == Status.PASSED


def test_statements_do_not_grow_with_the_rows(picture, django_assert_max_num_queries):
    for number in range(30):
        Photo.objects.create(image=picture(number))
    with django_assert_max_num_queries(8):
        run("hostapp.Photo.image")
