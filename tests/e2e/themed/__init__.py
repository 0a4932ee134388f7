"""A site whose admin has a theme, in a process of its own: a theme takes the place of the admin's own site for good."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE, Popen

from .settings import FOLDER, THEME

_SERVE = "import django; django.setup(); from tests.e2e.themed.serving import serve; serve()"


@contextmanager
def themed(theme: str, folder: Path) -> Iterator[tuple[str, str]]:
    """Serve such a site with pictures that wait; give its URL and the session of a moderator."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": f"{__name__}.settings", THEME: theme, FOLDER: str(folder)}
    with Popen([sys.executable, "-c", _SERVE], env=environment, stdin=PIPE, stdout=PIPE, text=True) as process:  # noqa: S603 - ours
        try:
            yield tuple(json.loads(process.stdout.readline()))
        finally:
            process.stdin.close()
