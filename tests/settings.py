"""The smallest project that uses the app, on whatever database DATABASE_URL names."""

import environ

env = environ.Env()

if env.str("DATABASE_URL", default="").startswith("mysql"):
    # The driver that needs no system library, under the name and version that Django asks for.
    import pymysql

    pymysql.version_info = (2, 2, 7, "final", 0)
    pymysql.install_as_MySQLdb()

SECRET_KEY = "tests"
USE_TZ = True
ROOT_URLCONF = "tests.urls"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_imgmod",
    "tests.hostapp",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
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
DATABASES = {
    "default": env.db("DATABASE_URL", default="sqlite://:memory:"),
    "other": env.db("OTHER_DATABASE_URL", default="sqlite://:memory:"),
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
IMGMOD = {
    "PROVIDERS": {"default": {"BACKEND": "django_imgmod.providers.dummy.DummyProvider"}},
    "POLICIES": {"strict": {"risk": {"low": "review"}, "on_error": "block"}},
}
