"""What a page shows in the place of an image, what that costs, and what it is remembered for."""

from __future__ import annotations

import copy
import pickle
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders
from django.core.files.storage import FileSystemStorage
from django.core.management import call_command
from django.db import connections

from django_imgmod.choices import ErrorCode, Outcome, RiskLevel, Status
from django_imgmod.conf import SETTINGS
from django_imgmod.exceptions import ImgmodConfigurationError
from django_imgmod.models import DetectedLabel, ModerationRecord
from django_imgmod.registry import get_watched_field
from django_imgmod.services.decisions import decide
from django_imgmod.services.review.appeals import appeal
from django_imgmod.services.showing.progress import progress_of
from django_imgmod.services.showing.records import Image, find_records, history_of, prefetch_records, record_of
from django_imgmod.shortcuts import (
    Picture,
    image_picture,
    image_record,
    image_status,
    is_image_visible,
    moderate_image,
    prefetch_images,
)
from tests.hostapp.models import (
    Note,
    NullablePhoto,
    PairOfPhotos,
    PanoramaPhoto,
    Photo,
    StringPhoto,
    SuffixedPhoto,
    UuidPhoto,
)

from .replacing import current, keep, put, put_many, turn

pytestmark = pytest.mark.django_db(databases=["default", "other"])

OWN = "/static/django_imgmod/placeholder.svg"


@pytest.fixture
def photo(picture) -> Photo:
    photo = Photo()
    put(photo, picture(), Status.PASSED, width=48, height=32)
    return photo


def image_of(obj, name: str = "image") -> Image:
    watched = get_watched_field(type(obj), name)
    assert watched is not None
    return Image(obj, watched)


class TestPicture:
    def test_of_an_image_that_passed(self, photo):
        assert image_picture(photo, "image") == Picture(url=photo.image.url, width=48, height=32, status=Status.PASSED)

    @pytest.mark.parametrize("status", [status for status in Status.values if status not in ("passed", "superseded")])
    def test_of_an_image_that_may_not_be_shown(self, photo, status):
        turn(photo, Status(status))
        assert image_picture(photo, "image") == Picture(
            url=OWN, is_placeholder=True, width=320, height=240, status=Status(status)
        )
        turn(photo, Status(status), is_shadow=True)
        assert image_picture(photo, "image") == Picture(url=photo.image.url, width=48, height=32, status=Status(status))

    def test_under_a_policy_that_only_watches(self, photo, settings):
        turn(photo, Status.BLOCKED)
        policies = {**settings.IMGMOD["POLICIES"], "default": {"mode": "shadow"}}
        settings.IMGMOD = {**settings.IMGMOD, "POLICIES": policies}
        assert image_picture(photo, "image").url == photo.image.url
        turn(photo, Status.PASSED)
        ModerationRecord.objects.update(status=Status.SUPERSEDED, current_key=None)
        for unrecorded in ("hide", "show"):
            settings.IMGMOD = {**settings.IMGMOD, "UNRECORDED": unrecorded}
            assert image_picture(photo, "image").is_placeholder

    def test_of_the_last_accepted_picture(self, photo, picture, settings):
        keep(settings)
        accepted = photo.image.url
        put(photo, picture(2), Status.BLOCKED, width=3, height=4)
        # What is known of its size is that of another one.
        assert image_picture(photo, "image") == Picture(url=accepted, is_last_accepted=True, status=Status.BLOCKED)

    @pytest.mark.parametrize(("setting", "is_placeholder"), [("hide", True), ("show", False)])
    def test_of_an_image_without_a_record(self, settings, setting, is_placeholder):
        settings.IMGMOD = {**settings.IMGMOD, "UNRECORDED": setting}
        [photo] = Photo.objects.bulk_create([Photo(image="photos/old.png")])
        shown = image_picture(photo, "image")
        assert shown is not None
        assert (shown.is_placeholder, shown.status) == (is_placeholder, None)

    def test_of_an_attribute_of_another_name(self, picture):
        photo = SuffixedPhoto.objects.create(image_file=picture())
        ModerationRecord.objects.update(status=Status.PASSED)
        assert image_picture(photo, "image").url == photo.image_file.url

    @pytest.mark.parametrize("unrecorded", ["hide", "show"])
    def test_of_nothing_that_was_saved(self, photo, picture, settings, unrecorded):
        """The name that an upload came with may be that of somebody else's file."""
        settings.IMGMOD = {**settings.IMGMOD, "UNRECORDED": unrecorded}
        photo.image = picture(2)
        unsaved = [Photo(), Photo(image="photos/a.png"), Photo(image=picture()), UuidPhoto(image=picture()), photo]
        for obj in [*unsaved, NullablePhoto.objects.create(image=None), NullablePhoto.objects.create(image="")]:
            assert image_picture(obj, "image") is None
            assert not is_image_visible(obj, "image")
            assert image_record(obj, "image") is None

    def test_storage_is_asked_for_nothing_but_the_address(self, photo, monkeypatch):
        """Its addresses may be signed, and to look for a file may take a call over the network."""

        class Signing(FileSystemStorage):
            def url(self, name):
                return f"https://cdn.example/{name}?signature=1&expires=2"

            def exists(self, name):
                raise AssertionError("The storage was asked whether a file exists.")

            _open = size = path = exists

        monkeypatch.setattr(Photo._meta.get_field("image"), "storage", Signing())
        photo = Photo.objects.get()
        assert image_picture(photo, "image").url == f"https://cdn.example/{photo.image.name}?signature=1&expires=2"


class TestPlaceholder:
    @pytest.fixture(autouse=True)
    def blocked(self, photo):
        turn(photo, Status.BLOCKED)
        self.photo = photo

    @pytest.mark.parametrize(
        ("given", "url"),
        [
            ("site/none.png", "/static/site/none.png"),
            ("/assets/none.png", "/assets/none.png"),
            ("https://cdn.example/none.png?a=1", "https://cdn.example/none.png?a=1"),
            ("data:image/gif;base64,R0lGODlhAQABAAAAACw=", "data:image/gif;base64,R0lGODlhAQABAAAAACw="),
        ],
    )
    def test_of_the_site(self, settings, given, url):
        settings.IMGMOD = {**settings.IMGMOD, "PLACEHOLDER": given}
        assert image_picture(self.photo, "image") == Picture(url=url, is_placeholder=True, status=Status.BLOCKED)

    def test_under_a_storage_that_names_files_by_their_content(self, settings, tmp_path):
        settings.STATIC_ROOT = str(tmp_path / "static")
        settings.STORAGES = {
            **settings.STORAGES,
            "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
        }
        call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=["admin"])
        url = image_picture(self.photo, "image").url
        assert url.startswith("/static/django_imgmod/placeholder.")
        assert url != OWN
        assert (tmp_path / url.removeprefix("/")).exists()

    def test_our_own_is_a_drawing_of_the_size_that_is_said(self):
        path = finders.find(SETTINGS["PLACEHOLDER"].default)
        root = ET.fromstring(Path(path).read_text())  # noqa: S314 - our own file
        shown = image_picture(self.photo, "image")
        assert (root.get("width"), root.get("height")) == (str(shown.width), str(shown.height))
        assert not [part.tag for part in root.iter() if part.tag.endswith(("script", "image", "style", "a"))]


class TestPages:
    def test_one_query_whatever_the_models(self, picture, django_assert_num_queries):
        photos = [Photo(), PanoramaPhoto(), UuidPhoto(), StringPhoto(code="a"), Photo()]
        for number, photo in enumerate(photos):
            put(photo, picture(number), (Status.PASSED, Status.BLOCKED)[number % 2])
        page = [type(photo).objects.get(pk=photo.pk) for photo in photos]
        with django_assert_num_queries(1):
            assert prefetch_images(iter(page), "image") == page
        with django_assert_num_queries(0):
            shown = [image_picture(photo, "image") for photo in page]
        assert [picture.is_placeholder for picture in shown] == [False, True, False, True, False]

    def test_fifty_of_every_status(self, django_assert_num_queries):
        put_many(*[Status(Status.values[number % 5]) for number in range(50)], error_code=ErrorCode.DAMAGED)
        page = Photo.objects.all()
        with django_assert_num_queries(2):
            shown = [image_picture(photo, "image") for photo in prefetch_images(page, "image")]
        assert len(shown) == 50
        assert [picture.status for picture in shown] == [photo.title for photo in page]

    @pytest.mark.parametrize("count", [1, 2, 3, 64, 65, 1024, 1025])
    def test_of_every_length(self, count, django_assert_num_queries):
        photos = put_many(*[Status.PASSED if number % 3 else Status.BLOCKED for number in range(count)])
        with django_assert_num_queries(1):
            prefetch_images(photos, "image")
        assert [image_picture(photo, "image").status for photo in photos] == [photo.title for photo in photos]

    def test_all_watched_fields_without_names(self, picture, django_assert_num_queries):
        pair = PairOfPhotos.objects.create(front=picture(1), back=picture(2))
        prefetch_images([pair, Note(), Photo()])
        with django_assert_num_queries(0):
            assert image_picture(pair, "front").status == image_picture(pair, "back").status == Status.PENDING
            assert image_picture(Photo(), "image") is None

    def test_without_prefetching_one_query_each(self, photo, django_assert_num_queries):
        for _ in range(2):
            with django_assert_num_queries(1):
                image_picture(photo, "image")

    def test_what_is_known_is_not_asked_for_again(self, photo, django_assert_num_queries):
        """A view may prefetch, and its template too."""
        for with_status in (False, True):
            fresh = Photo.objects.get()
            with django_assert_num_queries(1):
                prefetch_images([fresh], "image", with_status=with_status)
                prefetch_images([fresh])

    def test_nothing_to_prefetch(self, django_assert_num_queries):
        with django_assert_num_queries(0):
            assert prefetch_images([], "image") == []
            prefetch_images([Photo(), NullablePhoto(image=None)], "image")

    def test_two_databases(self, photo, picture, django_assert_num_queries):
        other = Photo(image=picture(2))
        other.save(using="other")
        with django_assert_num_queries(1), django_assert_num_queries(1, connection=connections["other"]):
            prefetch_images([photo, other], "image")
            assert image_picture(photo, "image").status == Status.PASSED
            assert image_picture(other, "image").status == Status.PENDING

    def test_earlier_records_where_the_unrecorded_is_shown(self, photo, picture, settings, django_assert_num_queries):
        settings.IMGMOD = {**settings.IMGMOD, "UNRECORDED": "show"}
        stale = Photo.objects.get()
        put(photo, picture(2), Status.PASSED)
        [old] = Photo.objects.bulk_create([Photo(image="photos/old.png")])
        with django_assert_num_queries(2):
            prefetch_images([stale, photo, old], "image")
        assert [image_picture(obj, "image").is_placeholder for obj in (stale, photo, old)] == [True, False, False]

    def test_field_that_is_not_watched(self):
        with pytest.raises(ImgmodConfigurationError, match=r"hostapp\.Photo\.imgae is not watched"):
            prefetch_images([Photo()], "imgae")


class TestMemory:
    """What was prefetched is about the very file that an object named then, and about nothing else."""

    @pytest.fixture(autouse=True, params=[False, True])
    def prefetch(self, photo, request):
        prefetch_images([photo], "image", with_status=request.param)
        turn(photo, Status.BLOCKED)

    def test_stays_as_it_was(self, photo):
        assert image_picture(photo, "image").url == photo.image.url
        # These are always asked anew.
        assert image_status(photo, "image") == Status.BLOCKED
        assert not is_image_visible(photo, "image")
        assert image_picture(Photo.objects.get(), "image").is_placeholder

    def test_goes_along_into_a_cache(self, photo):
        kept = pickle.loads(pickle.dumps(photo))  # noqa: S301 - our own
        assert image_picture(kept, "image").url == photo.image.url

    def test_another_file(self, photo, picture):
        put(photo, picture(2))
        assert image_picture(photo, "image").is_placeholder

    def test_another_row(self, photo):
        twin = copy.copy(photo)
        twin.pk = None
        twin.save()
        assert image_picture(twin, "image").is_placeholder

    def test_moderated_again(self, photo):
        moderate_image(photo, "image")
        assert image_picture(photo, "image").status == Status.PENDING


class TestRecords:
    """Whole records, as the admin and the API need them."""

    @pytest.fixture(params=[False, True])
    def sees_labels(self, settings, request) -> bool:
        settings.IMGMOD = {**settings.IMGMOD, "EDITORS": {"SEE_LABELS": request.param}}
        return request.param

    def test_words_cost_nothing_more(self, picture, sees_labels, django_assert_num_queries):
        photos = [Photo() for _ in range(6)]
        for number, photo in enumerate(photos):
            record = put(photo, picture(number), Status(Status.values[number % 5])) and current(photo)
            DetectedLabel.objects.create(record=record, label="harbour", risk_level=RiskLevel.LOW)
        decide(current(photos[3]), Outcome.BLOCK, decided_by=None, reason_code="sexual")
        images = [image_of(photo) for photo in photos]
        with django_assert_num_queries(2 if sees_labels else 1):
            told = [progress_of(record, may_ask=False) for record in find_records(images)]
        assert [bool(progress.labels) for progress in told] == [sees_labels] * 6
        assert told[3].reason == "Nudity or sexual content"

    def test_prefetched(self, photo, django_assert_num_queries):
        image = image_of(photo)
        prefetch_records([image])
        with django_assert_num_queries(0):
            assert record_of(image).status == Status.PASSED
            assert image_picture(photo, "image").width == 48

    def test_what_a_page_has_read_is_no_whole_record(self, photo, django_assert_num_queries):
        prefetch_images([photo], "image")
        with django_assert_num_queries(1):
            assert isinstance(record_of(image_of(photo)), ModerationRecord)

    def test_history_of_a_record_read_elsewhere(self, photo, django_assert_num_queries):
        record = current(photo)
        decide(record, Outcome.BLOCK, decided_by=None, reason_code="violence")
        record = ModerationRecord.objects.get()
        with django_assert_num_queries(1):
            history = history_of(record)
        assert (history.reason_code, history.is_appealed) == ("violence", False)
        appeal(ModerationRecord.objects.get(), by=None)
        assert history_of(ModerationRecord.objects.get()).is_appealed
        assert history_of(find_records([image_of(photo)])[0]).is_appealed


class TestMistakes:
    def test_field_that_is_not_watched_has_a_placeholder(self, picture, settings, caplog):
        photo = Photo.objects.create(image=picture())
        assert image_picture(photo, "imgae").is_placeholder
        assert "hostapp.Photo.imgae is not watched" in caplog.text
        settings.DEBUG = True
        with pytest.raises(ImgmodConfigurationError, match="imgae"):
            image_picture(photo, "imgae")

    def test_object_that_was_read_again_is_asked_about_again(self, picture):
        photo = put_many(Status.PASSED)[0]
        prefetch_images([photo])
        turn(photo, Status.BLOCKED)
        assert not image_picture(photo, "image").is_placeholder
        photo.refresh_from_db()
        assert image_picture(photo, "image").is_placeholder
