"""Panels in the rows of generic inlines, whatever the key of the object that the pictures are attached to."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_imgmod.choices import Status
from django_imgmod.models import Appeal, ModerationRecord
from tests.hostapp.models import AttachedPhoto, Note, UuidPhoto

from . import site as sites
from .reading import messages_of, panel, panels

pytestmark = pytest.mark.django_db

PREFIX = "hostapp-attachedphoto-content_type-object_id"
CHECKING = "saved. Being checked, and not public yet."


@pytest.fixture(params=["tabular", "stacked"])
def owner(request: pytest.FixtureRequest, picture: Any) -> Any:
    """What pictures are attached to: its rows are of either kind, its key is a number or a UUID."""
    return Note.objects.create() if request.param == "tabular" else UuidPhoto.objects.create(image=picture(99))


def attach(owner: Any, file: Any) -> AttachedPhoto:
    return AttachedPhoto.objects.create(attached_to=owner, image=file)


def page_of(owner: Any, site: str = "admin") -> str:
    return f"/{site}/hostapp/{owner._meta.model_name}/{owner.pk}/change/"


def rows_of(response: Any) -> list[Any]:
    return [seen for seen in panels(response) if "attachedphoto" in seen.url]


def given_rows(**fields: Any) -> dict[str, Any]:
    return {f"{PREFIX}-{name}": value for name, value in fields.items()}


def test_rows_have_panels(root, owner, picture, put):
    passed, blocked = (attach(owner, picture(number, name=f"{number}.png")) for number in (1, 2))
    attach(Note.objects.create(), picture(3))
    put(passed, Status.PASSED)
    put(blocked, Status.BLOCKED)
    first, second = rows_of(root.get(page_of(owner)))
    assert first.told == "Image 1.png: Checked, and public."
    assert second.told.startswith("Image 2.png: Blocked.")
    assert first.links == {"Replace the picture": f"#id_{PREFIX}-0-image"}
    assert [panel(root.get(seen.url)).told for seen in (first, second)] == [first.told, second.told]

    second_look = second.links["Ask for a second look"]
    record = root.get(second_look).context["form"].initial["record"]
    answer = root.post(second_look, {"record": record, "text": "It is art."}, follow=True)
    assert answer.redirect_chain == [(page_of(owner), 302)]
    assert Appeal.objects.get().text == "It is art."
    assert "A second look was asked for." in rows_of(answer)[1].told


def test_rows_of_other_objects_are_not_told_of(root, owner, picture, put):
    """A generic relation names its object by two columns: neither alone is enough."""
    others = [
        attach(Note.objects.create(), picture(1)),
        AttachedPhoto.objects.create(
            content_type=ContentType.objects.get_for_model(Permission), object_id=str(owner.pk), image=picture(2)
        ),
    ]
    assert rows_of(root.get(page_of(owner))) == []
    for row in others:
        put(row, Status.BLOCKED)
        place = f"hostapp.attachedphoto/{row.pk}/image/"
        for page in ("moderation", "second_look"):
            assert root.get(page_of(owner).replace("change/", f"{page}/{place}")).status_code == 404


def test_row_needs_both_permissions(picture, put):
    owner = Note.objects.create()
    row = attach(owner, picture())
    put(row, Status.BLOCKED)
    place = f"hostapp.attachedphoto/{row.pk}/image/"
    look, second_look = (page_of(owner).replace("change/", f"{page}/{place}") for page in ("moderation", "second_look"))
    for names, statuses in (
        (("change_note",), (404, 404)),
        (("change_note", "view_attachedphoto"), (200, 403)),
        (("view_note", "change_attachedphoto"), (200, 403)),
        (("change_note", "change_attachedphoto"), (200, 200)),
    ):
        user = User.objects.create_user("-".join(names), is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=names))
        client = Client()
        client.force_login(user)
        assert (client.get(look).status_code, client.get(second_look).status_code) == statuses
        assert len(panels(client.get(page_of(owner)))) == (statuses[0] == 200)


def test_message_tells_of_saved_rows(root, owner, picture):
    kept = attach(owner, picture(1))
    given = given_rows(
        **{"TOTAL_FORMS": 2, "INITIAL_FORMS": 1, "0-id": kept.pk, "0-title": "Kept"},
        **{"1-image": picture(2, name="added.png")},
    )
    if isinstance(owner, UuidPhoto):
        given["id"] = owner.pk
        given |= {"uuidportrait-TOTAL_FORMS": 0, "uuidportrait-INITIAL_FORMS": 0}
    else:
        given["text"] = "A note"
    answer = root.post(page_of(owner), given, follow=True)
    assert [words for _level, words in messages_of(answer) if "successfully" not in words] == [
        f"Image “added.png”: {CHECKING}"
    ]
    assert AttachedPhoto.objects.filter(object_id=owner.pk).count() == 2


def test_form_that_is_wrong_speaks_of_what_is_stored(root, picture):
    owner = Note.objects.create(text="A note")
    row = attach(owner, picture(1))
    given = given_rows(**{"TOTAL_FORMS": 1, "INITIAL_FORMS": 1, "0-id": row.pk, "0-title": "x" * 200})
    answer = root.post(page_of(owner), {**given, f"{PREFIX}-0-image": picture(2, name="other.png"), "text": "A note"})
    assert answer.context["errors"]
    assert panel(answer).told.startswith("Image picture.png: Being checked")


def test_panels_add_one_query_a_page(root, owner, picture):
    for number in range(5):
        attach(owner, picture(number))
    assert ModerationRecord.objects.count() >= 5

    def queries(site: str) -> int:
        root.get(page_of(owner, site))
        with CaptureQueriesContext(connection) as captured:
            assert root.get(page_of(owner, site)).status_code == 200
        return len(captured)

    assert queries("admin") - queries("plain") == 1


def test_check_sees_a_page_that_does_not_take_them():
    site = admin.AdminSite()
    site.register(Note, inlines=[sites.with_mixin(sites.AttachedPhotoInline)])
    (error,) = site.get_model_admin(Note).check()
    assert (error.id, "hostapp.Note" in error.hint) == ("imgmod.E028", True)
    site.unregister(Note)
    site.register(Note, sites.with_mixin(sites.NoteAdmin, inlines=[sites.with_mixin(sites.AttachedPhotoInline)]))
    assert site.get_model_admin(Note).check() == []
