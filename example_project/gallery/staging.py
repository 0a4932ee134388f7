"""The demo's logins and pictures: made, saved as an editor would, and taken away again."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.contrib.auth.models import Permission, User
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management.base import CommandError
from django.db.models import Q
from django.utils import timezone

from django_imgmod.models import CallbackReceipt, ModerationRecord
from django_imgmod.shortcuts import image_record

from .models import PICTURE_MODELS, Picture, folder_of
from .pictures import Sample

# The demo's files lie in a folder of their own. An upload cannot get there, so nothing else is ever taken away.
FOLDER: Final = "demo"

PERMISSIONS: Final = {
    "editor": ("add_photo",),
    "moderator": ("view_moderationrecord", "review_moderationrecord"),
}


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of one sample."""

    title: str
    record: ModerationRecord
    milliseconds: float
    """From the call of ``save()`` until it came back: writing, judging and deciding."""


def require_debug() -> None:
    """Raise ``CommandError`` where this is no place for a demo."""
    if not settings.DEBUG:
        raise CommandError("The demo makes logins with well-known passwords: it runs only with DEBUG on.")


def make_users() -> User:
    """Create the editor, the moderator and the administrator, each with the name as password; return the editor."""
    users = {name: _make_user(name) for name in ("editor", "moderator", "admin")}
    for name, codenames in PERMISSIONS.items():
        users[name].user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return users["editor"]


def _make_user(name: str) -> User:
    user = User.objects.get_or_create(username=name)[0]
    user.is_staff = name != "editor"
    user.is_superuser = name == "admin"
    user.set_password(name)
    user.save()
    return user


def remove_pictures() -> int:
    """Remove what an earlier run saved, with its files and records; return how many files there were."""
    is_of_demo = Q()
    for model in PICTURE_MODELS:
        folder = f"{folder_of(model)}/{FOLDER}/"
        model._default_manager.filter(image__startswith=folder).delete()
        is_of_demo |= Q(file_name__startswith=folder)
    records = ModerationRecord.objects.filter(is_of_demo)
    for file_name in (names := set(records.values_list("file_name", flat=True))):
        default_storage.delete(file_name)
    CallbackReceipt.objects.filter(record__in=records).delete()
    records.delete()
    return len(names)


def save_pictures(samples: Iterable[Sample], uploaded_by: User) -> Iterator[Saved]:
    """
    Save each sample through ``Model.save()``, as a form would, and yield what became of it.

    The first one becomes the newest, so that the gallery shows them in this order.
    """
    started_at = timezone.now()
    picture: Picture | None = None
    for number, sample in enumerate(samples):
        if picture is None or not sample.replaces_previous:
            picture = sample.model(uploaded_by=uploaded_by, uploaded_at=started_at - timedelta(minutes=number))
        picture.title, picture.description = sample.title, sample.description
        # Straight to the model: a form would have refused the broken ones.
        picture.image = ContentFile(sample.content(), name=f"{FOLDER}/{sample.file_name}")
        clock = time.perf_counter()
        picture.save()
        milliseconds = 1000 * (time.perf_counter() - clock)
        record = image_record(picture, "image")
        if record is None:
            raise LookupError(f'"{sample.title}" was saved, but nothing is recorded of it.')
        yield Saved(sample.title, record, milliseconds)
