"""The way from a record to what belongs to it."""

from __future__ import annotations

from typing import Final

from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.urls import reverse

from ..models import ModerationRecord

MAX_OTHER_RECORDS: Final = 10


def change_url(site: AdminSite, record: ModerationRecord) -> str:
    """Return the address of a record's page."""
    return reverse("admin:django_imgmod_moderationrecord_change", args=[record.pk], current_app=site.name)


def object_url(site: AdminSite, request: HttpRequest, record: ModerationRecord) -> str:
    """Return the address of the page of the image's object; empty where there is none, or not for this user."""
    model = record.content_type.model_class()
    if model is None or not site.is_registered(model):
        return ""
    model_admin = site.get_model_admin(model)
    # As its own page would do it: an object that is gone, or that this user's list leaves out, has no page.
    obj = model_admin.get_object(request, record.object_id)
    if obj is None or not model_admin.has_view_or_change_permission(request, obj):
        return ""
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
    return reverse(name, args=[quote(record.object_id)], current_app=site.name)


def other_records(record: ModerationRecord) -> list[ModerationRecord]:
    """Return the other records of the same image field of the same object, the newest first, a handful at most."""
    records = ModerationRecord.objects.using(record._state.db).filter(
        content_type=record.content_type_id, object_id=record.object_id, field_name=record.field_name
    )
    return list(records.exclude(pk=record.pk).defer("raw").order_by("-pk")[:MAX_OTHER_RECORDS])
