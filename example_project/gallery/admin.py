from django.contrib import admin

from django_imgmod.admin import ModeratedImageAdminMixin, ModerationStatusFilter

from .models import Photo, Postcard, Poster


@admin.register(Photo, Postcard, Poster)
class PictureAdmin(ModeratedImageAdminMixin, admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    list_display = ["title", "moderation_status", "uploaded_by", "uploaded_at"]
    list_filter = [("image", ModerationStatusFilter)]
    search_fields = ["title"]
    list_select_related = ["uploaded_by"]
