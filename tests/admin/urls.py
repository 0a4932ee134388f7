"""An admin that also knows the objects that the records are about."""

from django.contrib import admin
from django.urls import path

from django_imgmod.admin import ModerationRecordAdmin
from django_imgmod.models import ModerationRecord
from tests.hostapp.models import Photo

site = admin.AdminSite(name="admin")
site.register(ModerationRecord, ModerationRecordAdmin)
site.register(Photo)

urlpatterns = [path("admin/", site.urls)]
