from __future__ import annotations

from django.apps import AppConfig, apps
from django.core import checks as django_checks
from django.core.signals import setting_changed
from django.utils.translation import gettext_lazy as _


class ImgmodConfig(AppConfig):
    name = "django_imgmod"
    verbose_name = _("Image moderation")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from . import checks, dispatch, receivers
        from .models import CallbackReceipt, ModerationRecord
        from .signals import callback_stored, work_due

        django_checks.register(checks.check, checks.TAG)
        work_due.connect(dispatch.wake, sender=ModerationRecord, dispatch_uid="django_imgmod.wake")
        callback_stored.connect(
            dispatch.wake_callback, sender=CallbackReceipt, dispatch_uid="django_imgmod.wake_callback"
        )

        def connect_receivers(*, setting: str, **kwargs: object) -> None:
            if setting == "IMGMOD":
                receivers.connect()

        receivers.connect()
        setting_changed.connect(connect_receivers, weak=False, dispatch_uid="django_imgmod.connect_receivers")
        if apps.is_installed("drf_spectacular"):
            # It finds its extensions among the classes that exist.
            from .rest import openapi  # noqa: F401
