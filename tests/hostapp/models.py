"""One model for each way in which a site may hold images."""

import uuid
from typing import Any

from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.core.files.storage import FileSystemStorage
from django.db import models

from django_imgmod.registry import moderate


class Photo(models.Model):
    title = models.CharField(max_length=100, blank=True)
    image = models.ImageField(upload_to="photos", blank=True)


class PhotoProxy(Photo):
    class Meta:
        proxy = True


class PanoramaPhoto(Photo):
    """Inherits the image from a table of its own."""

    angle = models.IntegerField(default=360)


class NullablePhoto(models.Model):
    image = models.ImageField(null=True, blank=True)


class UuidPhoto(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    image = models.ImageField(upload_to="uuid")


class UuidPortrait(models.Model):
    """Its key is that of another model."""

    photo = models.OneToOneField(UuidPhoto, on_delete=models.CASCADE, primary_key=True)
    image = models.ImageField(upload_to="portraits")


class UuidPanorama(UuidPhoto):
    """Has an image of its own beside the inherited one."""

    wide = models.ImageField(upload_to="wide", blank=True)


class NumberedPhoto(Photo):
    """Its key is not that of its parent."""

    number = models.AutoField(primary_key=True)
    photo = models.OneToOneField(Photo, on_delete=models.CASCADE, parent_link=True)


class StringPhoto(models.Model):
    code = models.CharField(max_length=50, primary_key=True)
    image = models.ImageField(upload_to="string", blank=True)


class SuffixedImageField(models.ImageField):
    """Kept under another attribute than its name, as foreign keys are."""

    def get_attname(self):
        return f"{self.name}_file"


class SuffixedPhoto(models.Model):
    image = SuffixedImageField(upload_to="suffixed")


class PairOfPhotos(models.Model):
    front = models.ImageField(upload_to="front", blank=True)
    back = models.ImageField(upload_to="back", blank=True)


class SizedPhoto(models.Model):
    width = models.PositiveIntegerField(null=True)
    height = models.PositiveIntegerField(null=True)
    image = models.ImageField(upload_to="sized", width_field="width", height_field="height")


class DatedPhoto(models.Model):
    taken_on = models.DateField(null=True)
    uploaded_at = models.DateTimeField(auto_now_add=True)
    image = models.ImageField(upload_to="dated")


class RenamingStorage(FileSystemStorage):
    """Names every file itself, whatever the upload was called."""

    def get_available_name(self, name, max_length=None):
        return f"renamed/{uuid.uuid4().hex}.img"


class OverwritingStorage(FileSystemStorage):
    def get_available_name(self, name, max_length=None):
        self.delete(name)
        return name


class RenamedPhoto(models.Model):
    image = models.ImageField(storage=RenamingStorage())


class OverwrittenPhoto(models.Model):
    title = models.CharField(max_length=100, blank=True)
    image = models.ImageField(storage=OverwritingStorage())


class AbstractCard(models.Model):
    image = models.ImageField(upload_to="cards")

    class Meta:
        abstract = True


class PostCard(AbstractCard):
    pass


@moderate("scan", policy="strict")
class Document(models.Model):
    """A plain file field is watched only where somebody says so."""

    scan = models.FileField(upload_to="scans")
    attachment = models.FileField(upload_to="attachments", blank=True)


# Tables of an app without migrations are made before those of one that has some.
of_a_user: dict[str, Any] = {"to": settings.AUTH_USER_MODEL, "on_delete": models.CASCADE, "db_constraint": False}


class Album(models.Model):
    owner = models.ForeignKey(**of_a_user, null=True, blank=True)


class OwnedPhoto(models.Model):
    """Names its uploader, and belongs to what names one; neither is known always."""

    title = models.CharField(max_length=100, blank=True)
    owner = models.ForeignKey(**of_a_user, null=True, blank=True)
    album = models.ForeignKey(Album, models.DO_NOTHING, null=True, blank=True, db_constraint=False)
    editor = models.ForeignKey(**of_a_user, null=True, blank=True, to_field="username", related_name="+")
    image = models.ImageField(upload_to="owned", blank=True)


class AttachedPhoto(models.Model):
    """Belongs to an object of any model, whatever its key is."""

    content_type = models.ForeignKey("contenttypes.ContentType", models.CASCADE, db_constraint=False)
    object_id = models.CharField(max_length=100)
    attached_to = GenericForeignKey()
    title = models.CharField(max_length=100, blank=True)
    image = models.ImageField(upload_to="attached")


class Profile(models.Model):
    """Its key is that of the user whose it is."""

    user = models.OneToOneField(**of_a_user, primary_key=True)
    avatar = models.ImageField(upload_to="avatars", blank=True)


class Note(models.Model):
    """Holds no image at all."""

    text = models.TextField()
