"""A site whose work is done by the processes that the tests start."""

from tests.settings import *  # noqa: F403 - this is what such a module is for
from tests.settings import INSTALLED_APPS, env

DATABASES = {"default": env.db("DATABASE_URL")}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {"timeout": 30, "transaction_mode": "IMMEDIATE"}
MEDIA_ROOT = env.str("MEDIA_ROOT")
IMGMOD = {
    "PROVIDERS": {"default": {"BACKEND": "tests.dispatch.providers.GatedProvider"}},
    "POLICIES": {"strict": {}},
    "DISPATCHER": env.str("DISPATCHER"),
}
INSTALLED_APPS = [*INSTALLED_APPS, "django_tasks_db"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default", "imgmod"]}}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "loggers": {"django_imgmod": {"handlers": ["console"], "level": "INFO"}},
}
