"""
Three kinds of pictures, each judged by another provider: ``IMGMOD`` in the settings says which there are.

A site of your own needs none of this: a plain ``ImageField`` is watched as soon as the app is installed.
"""

from django.conf import settings
from django.db import models
from django.utils import timezone

from django_imgmod.registry import moderate


def folder_of(model: type[models.Model]) -> str:
    """Return where the files of a model are kept: "photos", "postcards", "posters"."""
    return f"{model._meta.model_name}s"


def file_name_of(picture: models.Model, file_name: str) -> str:
    return f"{folder_of(type(picture))}/{file_name}"


class Picture(models.Model):
    """What all three have in common."""

    title = models.CharField(max_length=100)
    description = models.CharField(
        max_length=200, blank=True, help_text="What it shows, for people who cannot see the picture."
    )
    image = models.ImageField(upload_to=file_name_of)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    uploaded_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        abstract = True
        ordering = ["-uploaded_at", "-pk"]

    def __str__(self) -> str:
        return self.title


class Photo(Picture):
    """Judged by the default provider, the embedded engine: nothing needs to be said."""


@moderate("image", provider="later")
class Postcard(Picture):
    """Judged by a provider that answers later."""


@moderate("image", provider="unreachable")
class Poster(Picture):
    """Judged by a provider that cannot be reached."""


PICTURE_MODELS: tuple[type[Picture], ...] = (Photo, Postcard, Poster)
