"""The admin of a site whose editors are told what becomes of their images, and the same admin without that."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.contenttypes.admin import GenericStackedInline, GenericTabularInline

from django_imgmod.admin import ModeratedImageAdminMixin, ModerationRecordAdmin, ModerationStatusFilter
from django_imgmod.models import ModerationRecord
from tests.hostapp.models import (
    Album,
    AttachedPhoto,
    Note,
    NullablePhoto,
    OwnedPhoto,
    PairOfPhotos,
    PanoramaPhoto,
    Photo,
    PhotoProxy,
    StringPhoto,
    UuidPhoto,
    UuidPortrait,
)


class OwnedPhotoInline(admin.TabularInline):
    model = OwnedPhoto
    fields = ("title", "image")
    extra = 1


class PortraitInline(admin.StackedInline):
    model = UuidPortrait


class AttachedPhotoInline(GenericTabularInline):
    model = AttachedPhoto
    fields = ("title", "image")
    extra = 1


class StackedAttachedPhotoInline(GenericStackedInline):
    model = AttachedPhoto
    extra = 1


class AlbumAdmin(admin.ModelAdmin):
    inlines = [OwnedPhotoInline]


class NoteAdmin(admin.ModelAdmin):
    """Of objects without a picture of their own, to which pictures are attached."""

    inlines = [AttachedPhotoInline]


class UuidPhotoAdmin(admin.ModelAdmin):
    inlines = [PortraitInline, StackedAttachedPhotoInline]


class ListedAdmin(admin.ModelAdmin):
    list_display = ["__str__"]


PLAIN: dict[Any, Any] = {
    **dict.fromkeys((Photo, PhotoProxy, PanoramaPhoto, StringPhoto, PairOfPhotos, NullablePhoto), ListedAdmin),
    Album: AlbumAdmin,
    Note: NoteAdmin,
    UuidPhoto: UuidPhotoAdmin,
}


def with_mixin(base: Any, **more: Any) -> Any:
    return type(f"Moderated{base.__name__}", (ModeratedImageAdminMixin, base), more)


class ShortAdminSite(admin.AdminSite):
    # Half of each page, which no test reads.
    enable_nav_sidebar = False


def register(site: admin.AdminSite) -> admin.AdminSite:
    """Register everything, with the mixin."""
    for model, base in PLAIN.items():
        more: dict[str, Any] = {"inlines": [with_mixin(inline) for inline in base.inlines]}
        if base is ListedAdmin:
            names = ["front", "back"] if model is PairOfPhotos else ["image"]
            more |= {
                "list_display": ["__str__", "moderation_status"],
                "list_filter": [(name, ModerationStatusFilter) for name in names],
            }
        site.register(model, with_mixin(base, **more))
    return site


site = register(ShortAdminSite(name="admin"))
site.register(ModerationRecord, ModerationRecordAdmin)
office = register(ShortAdminSite(name="office"))
plain = ShortAdminSite(name="plain")
for model, model_admin in PLAIN.items():
    plain.register(model, model_admin)
