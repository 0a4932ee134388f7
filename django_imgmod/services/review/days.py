"""Days as the site's time zone has them. A database need not know it, and a person may have another."""

from __future__ import annotations

from datetime import date, datetime, time

from django.conf import settings
from django.utils import timezone


def midnight(day: date) -> datetime:
    """Return when a day begins."""
    moment = datetime.combine(day, time.min)
    return timezone.make_aware(moment, timezone.get_default_timezone()) if settings.USE_TZ else moment


def site_time(moment: datetime) -> datetime:
    """Return a stored time as the site's clocks show it."""
    return timezone.localtime(moment, timezone.get_default_timezone()) if settings.USE_TZ else moment


def day_of(moment: datetime) -> date:
    """Return the day that a stored time is on."""
    return site_time(moment).date()


def today() -> date:
    return day_of(timezone.now())
