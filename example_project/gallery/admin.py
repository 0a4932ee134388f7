from django.contrib import admin

from .models import Photo, Postcard, Poster


@admin.register(Photo, Postcard, Poster)
class PictureAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    list_display = ["title", "uploaded_by", "uploaded_at"]
    search_fields = ["title"]
    list_select_related = ["uploaded_by"]
