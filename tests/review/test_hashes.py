"""When what waits for a person is hashed, and what becomes of pictures that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage
from django.db import DatabaseError, connection
from PIL import Image

from django_imgmod.choices import ErrorCode, RiskLevel, Status
from django_imgmod.exceptions import ProviderRefused
from django_imgmod.models import ModerationRecord
from django_imgmod.perceptual import is_hash
from django_imgmod.providers import providers
from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.services.periodic import run_every_minute
from django_imgmod.services.review.hashes import NOTHING_TELLING, ensure_hash, fill_hashes, hash_first
from django_imgmod.services.review.queue import QueueFilter, waiting
from django_imgmod.services.submission import work
from tests.hostapp.models import Photo
from tests.review.moderating import make_moderator
from tests.review.pictures import drawing, upload

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])


@pytest.fixture
def dummy() -> DummyProvider:
    provider = providers["default"]
    assert isinstance(provider, DummyProvider)
    return provider


@pytest.fixture
def break_storage(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Return a function that lets the storage fail, and returns a list of the files that are asked for from then on."""

    def begin() -> list[str]:
        asked: list[str] = []

        def fail(self: FileSystemStorage, name: str, mode: str = "rb") -> Any:
            asked.append(name)
            raise TimeoutError("The storage does not answer.")

        monkeypatch.setattr(FileSystemStorage, "_open", fail)
        return asked

    return begin


def make_unhashed(file: Any = None, **columns: Any) -> ModerationRecord:
    """Upload a picture and let it wait for a person, as by a verdict that came without its bytes."""
    photo = Photo.objects.create(image=file or upload(drawing(1)))
    given = {"status": Status.IN_REVIEW, "perceptual_hash": "", **columns}
    rows = ModerationRecord.objects.filter(object_id=photo.pk)
    rows.update(**given)
    return rows.get()


def hashes() -> list[str]:
    return list(ModerationRecord.objects.order_by("pk").values_list("perceptual_hash", flat=True))


def test_what_comes_to_review_is_hashed_while_its_bytes_are_at_hand(dummy):
    dummy.script(RiskLevel.MEDIUM, RiskLevel.NONE, RiskLevel.HIGH)
    for number in range(3):
        Photo.objects.create(image=upload(drawing(number)))
    in_review, passed, blocked = ModerationRecord.objects.order_by("pk")
    assert (in_review.status, passed.status, blocked.status) == (Status.IN_REVIEW, Status.PASSED, Status.BLOCKED)
    assert is_hash(in_review.perceptual_hash)
    assert (passed.perceptual_hash, blocked.perceptual_hash) == ("", "")
    assert in_review.version == passed.version


def test_picture_that_cannot_be_judged_comes_to_review_without_a_hash(dummy):
    dummy.script(ProviderRefused("It is no picture.", code=ErrorCode.NOT_AN_IMAGE))
    Photo.objects.create(image=ContentFile(b"no picture", name="text.png"))
    record = ModerationRecord.objects.get()
    assert (record.status, record.perceptual_hash) == (Status.IN_REVIEW, NOTHING_TELLING)


def test_hash_that_cannot_be_stored_changes_no_verdict_and_stops_no_worker(dummy, settings):
    settings.IMGMOD = {**settings.IMGMOD, "DISPATCHER": "django_imgmod.dispatch.SweepDispatcher"}

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("UPDATE") and "perceptual_hash" in sql.partition("WHERE")[0]:
            raise DatabaseError("The disk is full.")
        return execute(sql, params, many, context)

    dummy.script(RiskLevel.MEDIUM)
    Photo.objects.create(image=upload(drawing(1)))
    record = ModerationRecord.objects.get()
    with connection.execute_wrapper(refuse):
        assert work(record.public_id, using="default")
    record.refresh_from_db()
    assert (record.status, record.perceptual_hash) == (Status.IN_REVIEW, "")
    assert (record.due_at, record.error_code, record.lease_until) == (None, "", None)


def test_hash_is_filled_in_once(django_assert_num_queries):
    record = make_unhashed()
    version = record.version
    assert ensure_hash(record)
    stored = ModerationRecord.objects.get()
    assert is_hash(stored.perceptual_hash)
    assert stored.perceptual_hash == record.perceptual_hash
    assert stored.version == version
    with django_assert_num_queries(0):
        assert ensure_hash(record)


@pytest.mark.parametrize(
    "file",
    [upload(Image.new("RGB", (200, 200), "red")), ContentFile(b"no picture", name="text.png")],
    ids=["flat", "no picture"],
)
def test_picture_that_tells_nothing_is_not_asked_again(file, break_storage):
    assert ensure_hash(make_unhashed(file))
    assert hashes() == [NOTHING_TELLING]
    asked = break_storage()
    assert ensure_hash(ModerationRecord.objects.get())
    assert fill_hashes(using="default") == 0
    assert asked == []


def test_file_that_is_gone_is_not_asked_for_again():
    record = make_unhashed()
    Photo._meta.get_field("image").storage.delete(record.file_name)
    assert ensure_hash(record)
    assert hashes() == [NOTHING_TELLING]


def test_storage_that_fails_is_asked_again(break_storage):
    record = make_unhashed()
    break_storage()
    assert not ensure_hash(record)
    assert hashes() == [""]


def test_filling_ends_where_the_storage_fails(break_storage):
    for number in range(3):
        make_unhashed(upload(drawing(number)))
    asked = break_storage()
    assert fill_hashes(using="default") == 1
    assert len(asked) == 1


def test_picture_that_breaks_the_decoder_stands_in_nobody_s_way(monkeypatch, caplog):
    record = make_unhashed()

    def fail(*given: Any, **options: Any) -> Any:
        raise RuntimeError("A fault in the decoder.")

    monkeypatch.setattr("django_imgmod.services.review.hashes.decode", fail)
    assert ensure_hash(record)
    assert hashes() == [NOTHING_TELLING]
    assert "A fault in the decoder." in caplog.text


def test_workers_fill_in_what_is_missing_in_review():
    make_unhashed(upload(drawing(1)))
    make_unhashed(upload(drawing(2)), status=Status.PASSED)
    make_unhashed(upload(drawing(3)))
    run_every_minute()
    assert [is_hash(text) for text in hashes()] == [True, False, True]
    assert fill_hashes(using="default") == 0


def test_handful_of_small_ones_is_hashed_beside_a_claim():
    user = make_moderator("anna")
    make_unhashed(upload(drawing(0)), byte_count=10**7)
    make_unhashed(upload(drawing(1)), byte_count=None)
    for number in range(2, 7):
        make_unhashed(upload(drawing(number)), byte_count=1000)
    hash_first(waiting(QueueFilter(), user=user, using="default"))
    assert [is_hash(text) for text in hashes()] == [False, False, True, True, True, False, False]
