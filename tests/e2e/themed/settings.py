"""The project of the tests with a theme before its admin, which the environment names, and everything in one folder."""

import os

from tests.settings import *  # noqa: F403
from tests.settings import IMGMOD, INSTALLED_APPS

THEME = "IMGMOD_TESTS_THEME"
FOLDER = "IMGMOD_TESTS_FOLDER"

ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = [*filter(None, [os.environ.get(THEME)]), *INSTALLED_APPS]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": f"{os.environ.get(FOLDER)}/database.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE"},
    }
}
MEDIA_ROOT = f"{os.environ.get(FOLDER)}/media"
# Whatever is detected, a person looks at it.
IMGMOD = {**IMGMOD, "POLICIES": {"default": {"risk": {"high": "review", "low": "review"}}}}
# Its fonts would come from elsewhere.
JAZZMIN_SETTINGS = {"use_google_fonts_cdn": False}
JAZZMIN_UI_TWEAKS = {"default_theme_mode": "auto"}
