"""
Settings of the example site. Every value that may differ comes from the environment; none has to be given.

The variables are listed in README.md beside this file.
"""

from pathlib import Path
from typing import Any

import environ

env = environ.Env()

CHECKOUT = Path(__file__).resolve().parent.parent
# Whatever the site writes; git-ignored.
VAR = Path(env.str("VAR_ROOT", default=str(CHECKOUT / "var")))
VAR.mkdir(parents=True, exist_ok=True)

DEBUG = env.bool("DEBUG", default=True)
# A key that everybody knows is for playing only: without DEBUG the site insists on one of its own.
SECRET_KEY = env.str("SECRET_KEY", default="known-to-everybody") if DEBUG else env.str("SECRET_KEY")
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost", "[::1]"])

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_imgmod",
    "example_project.gallery",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "example_project.urls"
WSGI_APPLICATION = "example_project.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db("DATABASE_URL")
    if "DATABASE_URL" in env.ENVIRON
    else {"ENGINE": "django.db.backends.sqlite3", "NAME": VAR / "db.sqlite3"}
}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # The site and its worker both write: docs/databases.md.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL",
        **DATABASES["default"].get("OPTIONS", {}),
    }
# Where the provider "later" keeps its answers: any process may ask for them.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
        "LOCATION": env.str("CACHE_ROOT", default=str(VAR / "cache")),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "en-gb"
USE_TZ = True
STATIC_URL = "static/"
MEDIA_URL = "media/"
MEDIA_ROOT = env.str("MEDIA_ROOT", default=str(VAR / "media"))

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "gallery"
LOGOUT_REDIRECT_URL = "gallery"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {"django_imgmod": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")}},
}

IMGMOD = {
    "PROVIDERS": {
        # Judges every picture that nobody assigns to another provider.
        "default": {
            "BACKEND": env.str("IMGMOD_BACKEND", default="django_imgmod.providers.local.LocalProvider"),
            "OPTIONS": env.json("IMGMOD_OPTIONS", default={}),
        },
        # Accepts at once and answers when it is asked a minute later, as services in the cloud do.
        "later": {"BACKEND": "example_project.gallery.providers.SlowProvider", "OPTIONS": {"delay": 60}},
        # Out of order, to see what becomes of a picture then.
        "unreachable": {"BACKEND": "django_imgmod.providers.dummy.DummyProvider", "OPTIONS": {"is_down": True}},
    },
    # Where every picture names who uploaded it: the review desk says so, and nobody decides about their own.
    "FIELDS": {"__all__": {"uploader": "uploaded_by"}},
    "DISPATCHER": env.str("IMGMOD_DISPATCHER", default="django_imgmod.dispatch.InlineDispatcher"),
    # Where the provider in the cloud can call this site; without it, the worker asks for the answers.
    "CALLBACK_BASE_URL": env.str("IMGMOD_CALLBACK_BASE_URL", default="") or None,
}
