"""A site whose users are of a model of its own, in memory."""

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as APPS

INSTALLED_APPS = [*(app for app in APPS if app != "tests.hostapp"), "tests.members"]
AUTH_USER_MODEL = "members.Member"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
IMGMOD = {
    "PROVIDERS": {
        "default": {
            "BACKEND": "django_imgmod.providers.dummy.DummyProvider",
            "OPTIONS": {"risk_level": "medium"},
        }
    },
    "FIELDS": {"members.Member.avatar": {"uploader": "pk"}, "members.Post.cover": {"uploader": "author"}},
}
