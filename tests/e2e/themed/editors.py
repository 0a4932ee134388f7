"""The host's own admin within a theme: a ModelAdmin of the theme's own kind, where it has one."""

from __future__ import annotations

from django.conf import settings
from django.contrib import admin
from django.core.files.base import ContentFile

from django_imgmod.admin import ModeratedImageAdminMixin, ModerationStatusFilter
from django_imgmod.choices import Status
from django_imgmod.models import ModerationRecord
from tests.hostapp.models import Album, AttachedPhoto, OwnedPhoto, PairOfPhotos
from tests.review.pictures import drawing, upload

if "unfold" in settings.INSTALLED_APPS:
    from unfold.admin import GenericStackedInline, ModelAdmin, TabularInline
else:
    from django.contrib.admin import ModelAdmin, TabularInline
    from django.contrib.contenttypes.admin import GenericStackedInline


class OwnedPhotoInline(ModeratedImageAdminMixin, TabularInline):
    model = OwnedPhoto
    fields = ("title", "image")
    extra = 1


class AttachedPhotoInline(ModeratedImageAdminMixin, GenericStackedInline):
    model = AttachedPhoto
    extra = 0


class AlbumAdmin(ModeratedImageAdminMixin, ModelAdmin):
    inlines = [OwnedPhotoInline, AttachedPhotoInline]


class PairOfPhotosAdmin(ModeratedImageAdminMixin, ModelAdmin):
    list_display = ["__str__", "moderation_status"]
    list_filter = [("front", ModerationStatusFilter)]
    readonly_fields = ["back"]


def register() -> None:
    admin.site.register(Album, AlbumAdmin)
    admin.site.register(PairOfPhotos, PairOfPhotosAdmin)


def upload_pictures() -> None:
    """
    Upload an album of two rows, one of either kind, and a pair whose front has taken the place of another.

    None of them waits at the review desk, which has pictures of its own.
    """
    album = Album.objects.create()
    put(OwnedPhoto.objects.create(album=album, image=file(11, "harbour.png")), "image", Status.SUBMITTED)
    put(AttachedPhoto.objects.create(attached_to=album, image=file(12, "bridge.png")), "image", Status.BLOCKED)
    pair = PairOfPhotos.objects.create(front=file(13, "tower.png"), back=file(14, "gate.png"))
    put(pair, "front", Status.PASSED)
    pair.front = file(15, "tower-at-night.png")
    pair.save()
    put(pair, "front", Status.BLOCKED)
    put(pair, "back", Status.SUBMITTED)


def file(number: int, name: str) -> ContentFile[bytes]:
    picture = upload(drawing(number))
    picture.name = name
    return picture


def put(obj: object, field_name: str, status: Status) -> None:
    """Let an image be in a status, as if that had become of it."""
    records = ModerationRecord.objects.for_field(type(obj), [str(obj.pk)], field_name)
    assert records.update(status=status) == 1
