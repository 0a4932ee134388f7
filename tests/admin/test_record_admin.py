from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from django_imgmod.admin import filters, pagination, search
from django_imgmod.choices import Outcome, RiskLevel, Status
from django_imgmod.models import Decision, DetectedLabel, ModerationRecord
from tests.hostapp.models import Photo

LIST = "/admin/django_imgmod/moderationrecord/"
SCRIPT = "<script>alert(1)</script>"


def page_of(record: ModerationRecord) -> str:
    return f"{LIST}{record.pk}/change/"


def listed(response) -> set[str]:
    return {record.file_name for record in response.context["cl"].result_list}


def text_of(response) -> str:
    assert response.status_code == 200
    return response.content.decode()


class TestAccess:
    @pytest.fixture
    def pages(self, make_record):
        record = make_record()
        return [LIST, page_of(record)]

    def test_anonymous_is_sent_to_the_login(self, pages):
        for page in pages:
            response = Client().get(page)
            assert response.status_code == 302
            assert "/login/" in response["Location"]

    def test_staff_without_permission_is_refused(self, pages, client_of):
        client = client_of("view_photo")
        assert [client.get(page).status_code for page in pages] == [403, 403]

    @pytest.mark.parametrize(
        "codename", ["view_moderationrecord", "change_moderationrecord", "review_moderationrecord"]
    )
    def test_permission_to_view_change_or_review_suffices(self, pages, client_of, codename):
        client = client_of(codename)
        assert [client.get(page).status_code for page in pages] == [200, 200]
        assert LIST in text_of(client.get("/admin/"))

    @pytest.mark.parametrize("path", ["add/", "1/change/", "1/delete/"])
    def test_nobody_writes_by_hand(self, make_record, path):
        client = Client()
        client.force_login(User.objects.create_superuser("root"))
        make_record(pk=1, status=Status.BLOCKED)
        before = list(ModerationRecord.objects.values())
        response = client.post(LIST + path, {"status": Status.PASSED, "file_name": "other.jpg", "post": "yes"})
        assert response.status_code == 403
        assert list(ModerationRecord.objects.values()) == before

    def test_list_offers_no_actions(self, make_record):
        client = Client()
        client.force_login(User.objects.create_superuser("root"))
        record = make_record()
        client.post(LIST, {"action": "delete_selected", "_selected_action": [record.pk], "post": "yes"})
        assert ModerationRecord.objects.filter(pk=record.pk).exists()
        assert "delete_selected" not in text_of(client.get(LIST))


class TestList:
    def test_tells_what_became_of_each_image(self, make_record, viewer):
        make_record(
            object_id="7",
            file_name="photos/2026/cat.jpg",
            status=Status.BLOCKED,
            risk_level=RiskLevel.HIGH,
            top_label="sexual_nudity",
            top_confidence="97.50",
            reason="high risk: sexual_nudity 97.50",
        )
        page = text_of(viewer.get(LIST))
        for told in ("cat.jpg", "Photo 7, image", "Blocked", "High", "sexual_nudity", "97.50", "high risk: sexual"):
            assert told in page

    def test_untrusted_text_is_escaped(self, make_record, viewer):
        make_record(
            file_name=f"photos/{SCRIPT}.jpg", reason=SCRIPT, risk_level="high", top_label=SCRIPT, object_id=SCRIPT
        )
        for pictures in ("hidden", "shown"):
            page = text_of(viewer.get(LIST, {"pictures": pictures}))
            assert SCRIPT not in page
            assert "&lt;script&gt;" in page

    def test_needs_as_many_queries_for_30_records_as_for_3(self, make_record, viewer):
        def count_queries() -> int:
            with CaptureQueriesContext(connection) as queries:
                viewer.get(LIST, {"pictures": "shown"})
            return len(queries)

        earlier = None
        for number in range(30):
            earlier = make_record(reused_from=earlier, raw={"number": number})
            if number == 2:
                count_queries()  # the first look of a process also fills the cache of content types
                with_3 = count_queries()
        assert count_queries() == with_3

    def test_counts_no_further_than_the_bound(self, make_record, viewer, monkeypatch):
        monkeypatch.setattr(pagination, "MAX_COUNT", 3)
        for _ in range(3):
            make_record()
        assert "3 moderation records" in text_of(viewer.get(LIST))
        assert "3+ records" not in text_of(viewer.get(LIST))
        make_record()
        assert "3+ records: these are the newest" in text_of(viewer.get(LIST))

    def test_large_bound_is_written_readably(self, make_record, viewer, monkeypatch):
        make_record()
        monkeypatch.setattr(pagination.BoundedPaginator, "_counted", 10_001)
        assert "10,000+ records" in text_of(viewer.get(LIST))


class TestPictures:
    def test_none_is_loaded_unless_asked_for(self, make_record, viewer):
        record = make_record()
        preview = reverse("admin:django_imgmod_moderationrecord_preview", args=[record.pk])
        for page in (LIST, page_of(record)):
            assert preview not in text_of(viewer.get(page))
            assert preview not in text_of(viewer.get(page, {"pictures": "nonsense"}))
            assert preview in text_of(viewer.get(page, {"pictures": "shown"}))

    def test_blurred_ones_carry_the_class_of_the_stylesheet(self, make_record, viewer):
        record = make_record()
        for page in (LIST, page_of(record)):
            assert "imgmod-picture-blurred" in text_of(viewer.get(page, {"pictures": "blurred"}))
            assert "imgmod-picture-blurred" not in text_of(viewer.get(page, {"pictures": "shown"}))

    def test_switch_leaves_out_no_record(self, make_record, viewer):
        names = {make_record().file_name for _ in range(3)}
        assert listed(viewer.get(LIST, {"pictures": "blurred"})) == names

    def test_page_opened_from_a_list_keeps_its_choice(self, make_record, viewer):
        record = make_record()
        assert '<img class="imgmod-picture"' in text_of(
            viewer.get(page_of(record), {"_changelist_filters": "status__exact=passed&pictures=shown"})
        )

    def test_every_picture_has_a_text_instead(self, make_record, viewer):
        record = make_record(file_name="photos/cat.jpg")
        for page in (LIST, page_of(record)):
            assert 'alt="Preview of photos/cat.jpg"' in text_of(viewer.get(page, {"pictures": "shown"}))


class TestFilters:
    @pytest.mark.parametrize(
        "parameters", [{"status__exact": "blocked"}, {"risk_level__exact": "high"}, {"label": "a"}, {"provider": "p"}]
    )
    def test_list_only_what_was_chosen(self, make_record, viewer, parameters):
        wanted = make_record(status=Status.BLOCKED, risk_level=RiskLevel.HIGH)
        other = make_record(status=Status.PASSED, risk_level=RiskLevel.LOW)
        ModerationRecord.objects.filter(pk=wanted.pk).update(provider="p")
        DetectedLabel.objects.create(record=wanted, label="a")
        DetectedLabel.objects.create(record=other, label="b")
        assert listed(viewer.get(LIST, parameters)) == {wanted.file_name}

    def test_label_seen_in_two_frames_lists_its_record_once(self, make_record, viewer):
        record = make_record()
        for frame_index in (0, 1):
            DetectedLabel.objects.create(record=record, label="a", frame_index=frame_index)
        response = viewer.get(LIST, {"label": "a"})
        assert [found.pk for found in response.context["cl"].result_list] == [record.pk]

    def test_offer_each_label_once_and_in_order(self, make_record, viewer):
        for label in ("b", "a", "b", "c"):
            DetectedLabel.objects.create(record=make_record(), label=label)
        assert DetectedLabel.objects.names(limit=10) == ["a", "b", "c"]
        assert DetectedLabel.objects.names(limit=2) == ["a", "b"]
        assert "?label=c" in text_of(viewer.get(LIST))

    @pytest.mark.parametrize("parameter", ["label", "provider"])
    def test_what_no_database_takes_finds_nothing(self, make_record, viewer, parameter):
        make_record()
        response = viewer.get(LIST, {parameter: "a\x00"})
        assert response.status_code == 200
        assert listed(response) == set()

    def test_label_beyond_the_offered_ones_still_works(self, make_record, viewer, monkeypatch):
        monkeypatch.setattr(filters, "MAX_LABELS", 1)
        record = make_record()
        DetectedLabel.objects.create(record=record, label="a")
        DetectedLabel.objects.create(record=record, label="z")
        response = viewer.get(LIST, {"label": "z"})
        assert listed(response) == {record.file_name}
        assert "?label=z" in text_of(response)


class TestSearch:
    SHA256 = "ab" * 32

    @pytest.fixture
    def record(self, make_record):
        make_record(object_id="42", file_name="photos/dog.jpg")
        return make_record(object_id="4", file_name="photos/2026/Cat.jpg", sha256=self.SHA256)

    @pytest.mark.parametrize("term", ["4", " 4 ", "cat.jpg", "2026/", SHA256, SHA256.upper()])
    def test_finds_by_object_file_name_and_bytes(self, record, viewer, term):
        assert listed(viewer.get(LIST, {"q": term})) == {record.file_name}

    def test_finds_by_public_id(self, record, viewer):
        assert listed(viewer.get(LIST, {"q": str(record.public_id)})) == {record.file_name}
        assert listed(viewer.get(LIST, {"q": record.public_id.hex})) == {record.file_name}

    def test_finds_an_object_whose_key_is_a_uuid(self, make_record, viewer):
        key = "0b9a3a44-58ad-4f9c-8b1e-2f1d1a6c7d10"
        record = make_record(object_id=key)
        assert listed(viewer.get(LIST, {"q": key})) == {record.file_name}

    def test_keeps_to_the_filters(self, record, viewer):
        assert listed(viewer.get(LIST, {"q": "cat", "status__exact": "blocked"})) == set()

    def test_looks_for_file_names_among_the_newest_only(self, record, make_record, viewer, monkeypatch):
        monkeypatch.setattr(search, "FILE_NAME_WINDOW", 2)
        make_record()
        make_record()
        assert listed(viewer.get(LIST, {"q": "cat.jpg"})) == set()
        assert listed(viewer.get(LIST, {"q": "4"})) == {record.file_name}

    def test_of_an_empty_table_finds_nothing(self, viewer):
        assert listed(viewer.get(LIST, {"q": "cat"})) == set()

    def test_page_says_what_can_be_searched(self, viewer):
        assert "a part of a file name (file names: among the newest 50,000 records)" in text_of(viewer.get(LIST))


@pytest.mark.urls("tests.admin.urls")
class TestPage:
    def test_tells_everything_that_is_known(self, make_record, viewer):
        record = make_record(
            object_id="7",
            status=Status.IN_REVIEW,
            image_format="GIF",
            width=640,
            height=480,
            frame_count=12,
            byte_count=2048,
            evaluated=["sexual content", "QR codes"],
            error_message="came late",
            raw={"Code": 200, "Text": "größer"},
        )
        DetectedLabel.objects.create(record=record, label="qrcode_qrcode", confidence="99.00", description="says hello")
        moderator = User.objects.create_user("maria")
        Decision.objects.create(record=record, outcome=Outcome.BLOCK, comment="not here", decided_by=moderator)
        page = text_of(viewer.get(page_of(record)))
        for told in (
            "In review",
            "GIF, 640 x 480, 12 frames, 2.0",
            "sexual content, QR codes",
            "came late",
            "qrcode_qrcode",
            "99.00",
            "says hello",
            "maria",
            "not here",
            "&quot;Code&quot;: 200,\n",
            "größer",
        ):
            assert told in page

    def test_tells_whether_the_record_is_a_shadow(self, make_record, viewer):
        for is_shadow, alt in ((True, "True"), (False, "False")):
            page = text_of(viewer.get(page_of(make_record(is_shadow=is_shadow))))
            shown = page[page.index("field-is_shadow") :]
            assert f'alt="{alt}"' in shown[: shown.index("field-reason")]

    def test_of_a_new_record_is_readable(self, make_record, viewer):
        text_of(viewer.get(page_of(make_record(status=Status.PENDING))))

    def test_untrusted_text_is_escaped(self, make_record, viewer):
        record = make_record(
            file_name=f"photos/{SCRIPT}.jpg",
            reason=SCRIPT,
            error_message=SCRIPT,
            top_label=SCRIPT,
            evaluated=[SCRIPT],
            raw={"QR code": SCRIPT},
        )
        make_record(object_id=record.object_id, status=Status.SUPERSEDED, file_name=SCRIPT)
        DetectedLabel.objects.create(record=record, label="qrcode_qrcode", description=SCRIPT)
        for pictures in ("hidden", "shown"):
            page = text_of(viewer.get(page_of(record), {"pictures": pictures}))
            assert SCRIPT not in page
            assert "&lt;script&gt;" in page

    def test_has_nothing_to_fill_in(self, make_record, viewer):
        page = text_of(viewer.get(page_of(make_record())))
        assert 'name="status"' not in page
        assert 'name="_save"' not in page

    def test_leads_to_earlier_records_of_the_image_and_to_the_reused_one(self, make_record, viewer):
        judged = make_record(object_id="1")
        earlier = make_record(object_id="2", status=Status.SUPERSEDED)
        record = make_record(object_id="2", reused_from=judged, sha256="ab" * 32)
        page = text_of(viewer.get(page_of(record)))
        assert f'href="{page_of(judged)}"' in page
        assert f'href="{page_of(earlier)}"' in page
        assert f'href="{LIST}?q={"ab" * 32}"' in page

    def test_leads_to_the_object_of_a_user_who_may_see_it(self, make_record, client_of):
        photo = Photo.objects.create()
        record = make_record(object_id=str(photo.pk))
        link = f'href="/admin/hostapp/photo/{photo.pk}/change/"'
        assert link in text_of(client_of("view_moderationrecord", "view_photo").get(page_of(record)))
        assert link not in text_of(client_of("view_moderationrecord").get(page_of(record)))

    @pytest.mark.parametrize("object_id", ["999999", "no-number"])
    def test_leads_to_no_object_that_is_gone(self, make_record, client_of, object_id):
        record = make_record(object_id=object_id)
        page = text_of(client_of("view_moderationrecord", "view_photo").get(page_of(record)))
        assert "/admin/hostapp/photo/" not in page.split('id="content-main"')[1]

    def test_needs_a_fixed_number_of_queries(self, make_record, viewer):
        def count_queries() -> int:
            with CaptureQueriesContext(connection) as queries:
                viewer.get(page_of(record))
            return len(queries)

        record = make_record()
        moderator = User.objects.create_user("maria")

        def add_evidence() -> None:
            DetectedLabel.objects.create(record=record, label="a")
            Decision.objects.create(record=record, outcome=Outcome.PASS, decided_by=moderator)
            make_record(object_id=record.object_id, status=Status.SUPERSEDED)

        add_evidence()
        count_queries()  # the first look of a process also fills the cache of content types
        with_one = count_queries()
        add_evidence()
        add_evidence()
        assert count_queries() == with_one

    def test_looking_writes_nothing(self, make_record, viewer):
        record = make_record()
        before = list(ModerationRecord.objects.values())
        viewer.get(page_of(record), {"pictures": "shown"})
        assert list(ModerationRecord.objects.values()) == before
        assert not default_storage.exists("photos")


def test_pages_hold_no_inline_style_or_script(make_record, viewer):
    """A strict Content-Security-Policy must not take anything away."""
    record = make_record()
    for page in (LIST, page_of(record)):
        content = text_of(viewer.get(page, {"pictures": "blurred"})).split('id="content-main"')[1]
        assert " style=" not in content
        assert "<style" not in content
