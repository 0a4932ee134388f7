"""What the process of a themed site does."""

from __future__ import annotations

import json
import sys

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client

from django_imgmod.choices import RiskLevel
from tests.e2e.moderating import detected, uploaded
from tests.e2e.site import served

from .editors import register, upload_pictures

COUNT = 6


def serve() -> None:
    """Write the URL and a moderator's session as a line of JSON; serve until the input ends."""
    register()
    call_command("migrate", run_syncdb=True, verbosity=0)
    for number in range(COUNT):
        level = RiskLevel.LOW if number < COUNT // 2 else RiskLevel.MEDIUM
        labels = detected("sexual_nudity", risk_level=level), detected("violence_weapon", 12, risk_level=RiskLevel.HIGH)
        uploaded(number, *labels, risk_level=level)
    upload_pictures()
    client = Client()
    client.force_login(User.objects.create_superuser("moderator"))
    with served() as url:
        print(json.dumps([url, client.cookies[settings.SESSION_COOKIE_NAME].value]), flush=True)  # noqa: T201
        sys.stdin.read()
