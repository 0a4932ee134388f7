"""The site of the comparison: the tables of both apps in one database, so that one server does both kinds of work."""

from benchmarks.postgresql import PREPARED
from tests.settings import *  # noqa: F403 - this is what such a module is for
from tests.settings import INSTALLED_APPS, env

# Kept open: db_worker closes what is too old before and after each task, and with Django's default all is too old.
DATABASES = {"default": {**env.db("DATABASE_URL"), "CONN_MAX_AGE": None, "OPTIONS": PREPARED}}
INSTALLED_APPS = [*INSTALLED_APPS, "django_tasks_db"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
