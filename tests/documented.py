"""The examples of the documentation, as files of a site that somebody has just begun."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SECONDS = 120

# What stands beside the examples: as startproject and startapp leave it, without the sites that nobody visits.
SITE = {
    "gallery/__init__.py": "",
    "gallery/tests/__init__.py": "",
    "settings.py": """
SECRET_KEY = "site"
USE_TZ = True
ROOT_URLCONF = "urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_imgmod", "gallery"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3"}}
# From Django 6.1 on.
MAILERS = {"default": {"BACKEND": "django.core.mail.backends.locmem.EmailBackend"}}
STORAGES = {"default": {"BACKEND": "django.core.files.storage.InMemoryStorage"}}
# A provider that could judge nothing, if it were asked: there are no credentials.
IMGMOD = {"PROVIDERS": {"default": {"BACKEND": "django_imgmod.providers.alibaba.ImageModeration2Provider"}}}
""",
}

_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r"# ([\w/]+\.py)\b.*\n")


def examples(page: str) -> Iterator[tuple[str, str]]:
    """Yield the Python examples of a page: the file that each names in its first line, and its text."""
    for text in _BLOCK.findall((ROOT / "docs" / page).read_text()):
        named = _NAME.match(text)
        assert named, f"An example of docs/{page} does not say in which file it stands:\n{text}"
        yield named[1], text


def build_site(folder: Path, *pages: str) -> None:
    """Write the site with the examples of these pages into a folder."""
    files = {**SITE, **dict(example for page in pages for example in examples(page))}
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def run(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a folder, with this checkout but without anything of this test run."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    for name in [name for name in environment if name.startswith(("PYTEST_", "DJANGO_")) and name not in variables]:
        del environment[name]
    return subprocess.run(  # noqa: S603 - this Python
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=SECONDS
    )
