"""Which picture stays live while the one that took its place is not, whatever happens to either."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.files.base import ContentFile

from django_imgmod.choices import ErrorCode, Outcome, Status
from django_imgmod.exceptions import ProviderRefused
from django_imgmod.models import ModerationRecord
from django_imgmod.providers import providers
from django_imgmod.registry import get_watched_field, moderate, watched_fields
from django_imgmod.services.decisions import decide, undo
from django_imgmod.services.intake import target_of
from django_imgmod.services.retries import retry
from django_imgmod.services.showing.withdrawal import withdraw_accepted
from django_imgmod.shortcuts import (
    filter_visible,
    image_status,
    is_image_visible,
    moderate_image,
    prefetch_images,
    withdraw_accepted_image,
)
from tests.hostapp.models import (
    NumberedPhoto,
    OverwrittenPhoto,
    PairOfPhotos,
    PanoramaPhoto,
    Photo,
    StringPhoto,
    UuidPhoto,
)

from .replacing import current, keep, put, shown, turn

pytestmark = pytest.mark.django_db

PENDING, SUBMITTED, IN_REVIEW, PASSED, BLOCKED = (Status(name) for name in Status.values if name != "superseded")
HIDDEN = (PENDING, SUBMITTED, IN_REVIEW, BLOCKED)


@pytest.fixture(autouse=True)
def keeping(settings):
    keep(settings)


@pytest.fixture
def moderator(django_user_model) -> User:
    return django_user_model.objects.create_user("moderator")


@pytest.fixture
def photo(picture) -> Photo:
    """A photo whose picture was accepted."""
    photo = Photo()
    put(photo, picture(1, name="a.png"), PASSED)
    return photo


class TestReplacement:
    @pytest.mark.parametrize("status", HIDDEN)
    def test_accepted_picture_stays_while_the_new_one_is_not_public(self, photo, picture, status):
        accepted = photo.image.name
        put(photo, picture(2), status)
        assert shown(photo) == accepted
        assert image_status(photo, "image") == status
        # They speak of the file that the row names.
        assert not is_image_visible(photo, "image")
        assert not filter_visible(Photo.objects.all(), "image").exists()

    def test_new_picture_is_shown_once_it_passes(self, photo, picture):
        name = put(photo, picture(2), PASSED)
        assert shown(photo) == name

    @pytest.mark.parametrize(
        ("statuses", "expected"),
        [
            ([PASSED, IN_REVIEW, IN_REVIEW], 0),
            ([PASSED, PENDING, BLOCKED, SUBMITTED, IN_REVIEW], 0),
            ([PASSED, PASSED, BLOCKED], 1),
            ([PASSED, BLOCKED, PASSED, IN_REVIEW, PENDING], 2),
            ([PASSED, IN_REVIEW, IN_REVIEW, PASSED], 3),
            ([BLOCKED, IN_REVIEW], None),
            ([PENDING, PENDING], None),
            ([IN_REVIEW, SUBMITTED, PASSED, BLOCKED], 2),
        ],
    )
    def test_chain(self, picture, statuses, expected):
        photo = Photo()
        names = [put(photo, picture(number), status) for number, status in enumerate(statuses)]
        assert shown(photo) == (None if expected is None else names[expected])

    @pytest.mark.parametrize("model", [PanoramaPhoto, NumberedPhoto, UuidPhoto, StringPhoto])
    def test_every_kind_of_key(self, model, picture):
        photo = StringPhoto(code="SKU 1") if model is StringPhoto else model()
        accepted = put(photo, picture(1), PASSED)
        put(photo, picture(2), BLOCKED)
        assert shown(photo) == accepted

    def test_picture_that_cannot_be_read(self, photo, django_capture_on_commit_callbacks):
        accepted = photo.image.name
        providers["default"].script(ProviderRefused("It is no picture.", code=ErrorCode.NOT_AN_IMAGE))
        with django_capture_on_commit_callbacks(execute=True):
            put(photo, ContentFile(b"no picture", name="b.png"))
        assert current(photo).error_code == ErrorCode.NOT_AN_IMAGE
        assert shown(photo) == accepted

    def test_same_bytes_as_of_a_picture_that_was_blocked(self, photo, picture, django_capture_on_commit_callbacks):
        accepted = photo.image.name
        with django_capture_on_commit_callbacks(execute=True):
            Photo.objects.create(image=picture(2))
        decide(ModerationRecord.objects.latest("pk"), Outcome.BLOCK, decided_by=None)
        with django_capture_on_commit_callbacks(execute=True):
            put(photo, picture(2))
        assert (current(photo).status, current(photo).reused_from_id is None) == (BLOCKED, False)
        assert shown(photo) == accepted

    def test_new_picture_passes_and_is_blocked_by_a_person_later(self, photo, picture, moderator):
        accepted = photo.image.name
        name = put(photo, picture(2), IN_REVIEW)
        decide(current(photo), Outcome.PASS, decided_by=moderator)
        assert shown(photo) == name
        decision = decide(current(photo), Outcome.BLOCK, decided_by=moderator)
        assert shown(photo) == accepted
        undo(decision, undone_by=moderator)
        assert shown(photo) == name

    def test_back_to_the_accepted_file_itself(self, photo, picture):
        """Its record is a new one, and until that has passed nothing vouches for what lies under the name by now."""
        accepted = photo.image.name
        put(photo, picture(2), BLOCKED)
        put(photo, accepted, PENDING)
        assert shown(photo) is None

    def test_written_past_the_signals(self, photo):
        Photo.objects.update(image="photos/other.png")
        assert shown(photo) is None

    def test_stale_object_names_a_file_that_nothing_is_known_of_any_more(self, photo, picture, settings):
        settings.IMGMOD = {**settings.IMGMOD, "UNRECORDED": "show"}
        put(photo, picture(2), IN_REVIEW)
        held = photo.image.name
        put(photo, picture(3), IN_REVIEW)
        Photo.objects.update(image=held)
        assert shown(photo) is None


class TestNotAccepted:
    @pytest.mark.parametrize("outcome", [Outcome.BLOCK, Outcome.REVIEW])
    def test_what_a_person_took_back_before_it_was_replaced(self, photo, picture, moderator, outcome):
        decide(current(photo), outcome, decided_by=moderator)
        put(photo, picture(2), IN_REVIEW)
        assert shown(photo) is None

    @pytest.mark.parametrize("status", [IN_REVIEW, BLOCKED, PENDING])
    def test_what_was_shown_in_the_shadow(self, picture, status):
        photo = Photo()
        name = put(photo, picture(1), status, is_shadow=True)
        assert shown(photo) == name
        put(photo, picture(2), IN_REVIEW)
        assert shown(photo) is None

    def test_what_a_policy_only_watched(self, picture, settings):
        without = settings.IMGMOD
        policies = {**without["POLICIES"], "watching": {"mode": "shadow"}}
        fields = {"__all__": {"keep_last_accepted": True, "policy": "watching"}}
        settings.IMGMOD = {**without, "POLICIES": policies, "FIELDS": fields}
        photo = Photo()
        put(photo, picture(1), BLOCKED)
        name = put(photo, picture(2), BLOCKED)
        assert shown(photo) == name
        settings.IMGMOD = without
        assert shown(photo) is None

    def test_what_was_shown_because_nothing_is_recorded_of_it(self, picture, settings):
        settings.IMGMOD = {**settings.IMGMOD, "UNRECORDED": "show"}
        [photo] = Photo.objects.bulk_create([Photo(image="photos/old.png")])
        assert shown(photo) == "photos/old.png"
        put(photo, picture(1), IN_REVIEW)
        assert shown(photo) is None


class TestEnd:
    @pytest.mark.parametrize("status", [PASSED, IN_REVIEW])
    def test_cleared(self, photo, picture, status):
        put(photo, picture(2), status)
        put(photo, "")
        assert shown(photo) is None
        put(photo, picture(3), IN_REVIEW)
        assert shown(photo) is None
        put(photo, picture(4), IN_REVIEW)
        assert shown(photo) is None

    def test_cleared_and_written_past_the_signals(self, photo):
        put(photo, "")
        Photo.objects.update(image="photos/other.png")
        moderate_image(photo, "image")
        assert current(photo).status == PENDING
        assert shown(photo) is None

    def test_another_object_under_the_same_key(self, picture):
        photo = StringPhoto(code="reused")
        put(photo, picture(1), PASSED)
        photo.delete()
        again = StringPhoto(code="reused")
        for number in (2, 3):
            put(again, picture(number), IN_REVIEW)
            assert shown(again) is None

    def test_storage_that_overwrites(self, picture):
        """What is stored under the accepted name is the new picture."""
        photo = OverwrittenPhoto()
        put(photo, picture(1, name="same.png"), PASSED)
        put(photo, picture(2, name="same.png"), IN_REVIEW)
        assert shown(photo) is None
        put(photo, picture(3, name="other.png"), IN_REVIEW)
        assert shown(photo) is None

    def test_storage_that_overwrites_later(self, picture):
        photo = OverwrittenPhoto()
        put(photo, picture(1, name="same.png"), PASSED)
        put(photo, picture(2, name="other.png"), IN_REVIEW)
        assert shown(photo) == "same.png"
        put(photo, picture(3, name="same.png"), IN_REVIEW)
        put(photo, picture(4, name="third.png"), IN_REVIEW)
        assert shown(photo) is None

    def test_withdrawn(self, photo, picture):
        other = Photo()
        for held in (photo, other):
            put(held, picture(2), PASSED)
            put(held, picture(3), BLOCKED)
            put(held, picture(4), IN_REVIEW)
        accepted = shown(photo)
        assert accepted is not None
        ModerationRecord.objects.update(last_accepted_name=accepted)
        withdraw_accepted(current(photo), accepted)
        assert shown(photo) is None
        assert shown(other) == accepted
        put(photo, picture(5), PENDING)
        assert shown(photo) is None
        name = put(photo, picture(6), PASSED)
        put(photo, picture(7), PENDING)
        assert shown(photo) == name

    def test_withdrawn_by_the_site(self, photo, picture):
        name = put(photo, picture(1), PASSED)
        put(photo, picture(2), PENDING)
        prefetch_images([photo])
        assert shown(photo) == name
        for _ in range(2):
            withdraw_accepted_image(photo, "image")
            assert shown(photo) is None

    def test_withdrawn_from_one_field(self, picture):
        pair = PairOfPhotos.objects.create(front=picture(1), back=picture(2))
        ModerationRecord.objects.update(last_accepted_name="old.png")
        withdraw_accepted(ModerationRecord.objects.get(field_name="front"), "old.png")
        kept = ModerationRecord.objects.filter(last_accepted_name="old.png", object_id=str(pair.pk))
        assert [record.field_name for record in kept] == ["back"]


class TestOtherWaysToANewRecord:
    def test_the_accepted_picture_is_moderated_again(self, photo):
        moderate_image(photo, "image")
        assert shown(photo) is None
        turn(photo, PASSED)
        assert shown(photo) == photo.image.name

    def test_a_held_picture_is_moderated_again(self, photo, picture):
        accepted = photo.image.name
        put(photo, picture(2), IN_REVIEW)
        moderate_image(photo, "image")
        assert current(photo).status == PENDING
        assert shown(photo) == accepted

    def test_a_failed_picture_is_tried_again(self, photo, picture):
        accepted = photo.image.name
        put(photo, picture(2), IN_REVIEW, error_code=ErrorCode.PROTOCOL)
        watched = get_watched_field(Photo, "image")
        assert watched is not None
        assert retry(current(photo), target_of(watched, photo, "default"))
        assert (current(photo).status, current(photo).error_code) == (PENDING, "")
        assert shown(photo) == accepted


class TestDecisionTakenBack:
    """What was accepted by mistake does not stay live when somebody notices after it was replaced."""

    @pytest.mark.parametrize("status", [IN_REVIEW, BLOCKED])
    def test_that_accepted_it(self, picture, moderator, status):
        photo = Photo()
        name = put(photo, picture(1), status)
        decision = decide(current(photo), Outcome.PASS, decided_by=moderator)
        for number in (2, 3):
            put(photo, picture(number), IN_REVIEW)
            assert shown(photo) == name
        undo(decision, undone_by=moderator)
        assert shown(photo) is None
        put(photo, picture(4), PENDING)
        assert shown(photo) is None

    def test_that_had_blocked_it_before(self, photo, picture, moderator):
        """It had passed again when it was replaced, and that still holds."""
        name = photo.image.name
        decide(current(photo), Outcome.BLOCK, decided_by=moderator)
        decide(current(photo), Outcome.PASS, decided_by=moderator)
        put(photo, picture(2), IN_REVIEW)
        assert shown(photo) == name

    def test_that_accepted_the_same_bytes_elsewhere(self, picture, moderator, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            first, second = Photo.objects.create(image=picture(1)), Photo()
        turn(first, IN_REVIEW)
        decision = decide(current(first), Outcome.PASS, decided_by=moderator)
        with django_capture_on_commit_callbacks(execute=True):
            name = put(second, picture(1))
        put(second, picture(2), IN_REVIEW)
        assert shown(second) == name
        undo(decision, undone_by=moderator)
        assert shown(second) is None


@pytest.mark.django_db(transaction=True)
def test_another_row_with_the_key_of_one_that_is_gone(picture, settings):
    keep(settings)
    photo = Photo()
    put(photo, picture(1), PASSED)
    Photo.objects.filter(pk=photo.pk)._raw_delete("default")
    other = Photo.objects.create(pk=photo.pk, image=picture(2))
    turn(other, IN_REVIEW)
    assert current(other).last_accepted_name is None
    assert shown(other) is None


class TestOption:
    def test_off(self, photo, picture, settings):
        """It is recorded all the same, so that it can be turned on any time."""
        accepted = photo.image.name
        keep(settings, is_on=False)
        put(photo, picture(2), IN_REVIEW)
        assert shown(photo) is None
        assert current(photo).last_accepted_name == accepted
        keep(settings)
        assert shown(photo) == accepted

    def test_for_one_field(self, photo, picture, settings):
        accepted = photo.image.name
        other = UuidPhoto()
        put(other, picture(1), PASSED)
        settings.IMGMOD = {
            **settings.IMGMOD,
            "FIELDS": {"__all__": {}, "hostapp.Photo.image": {"keep_last_accepted": True}},
        }
        for held in (photo, other):
            put(held, picture(2), IN_REVIEW)
        assert (shown(photo), shown(other)) == (accepted, None)

    @pytest.mark.parametrize(
        ("declared", "of_all", "is_kept"),
        [(True, False, True), (False, True, False), (None, True, True), (None, False, False)],
    )
    def test_by_decorator(self, settings, monkeypatch, declared, of_all, is_kept):
        """What is not said there is left to the settings of all fields."""
        keep(settings, is_on=of_all)
        monkeypatch.setattr(Photo, "_imgmod_declared", {}, raising=False)
        moderate("image", keep_last_accepted=declared)(Photo)
        watched_fields.cache_clear()
        watched = get_watched_field(Photo, "image")
        monkeypatch.undo()
        watched_fields.cache_clear()
        assert watched is not None
        assert watched.keep_last_accepted == is_kept
