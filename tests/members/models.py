"""Users as a site may have them: with UUIDs for keys, and an image of their own."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.db import models


class Member(AbstractUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    avatar = models.ImageField(upload_to="avatars", blank=True)


class Post(models.Model):
    author = models.ForeignKey(Member, models.CASCADE, null=True)
    cover = models.ImageField(upload_to="covers", blank=True)
