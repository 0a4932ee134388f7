"""Which browser is there. Playwright brings none: the system's own Chromium is driven."""

from __future__ import annotations

import os
import shutil
import sys
from importlib.util import find_spec
from typing import Final

VARIABLE: Final = "IMGMOD_CHROMIUM"
PACKAGES: Final = ("playwright", "axe_playwright_python", "jazzmin", "unfold")
COMMANDS: Final = ("chromium", "chromium-browser", "google-chrome")


def find_chromium() -> str | None:
    """Return the path of the browser that the environment names, or of the first one that is installed."""
    named = os.environ.get(VARIABLE)
    return next(filter(None, map(shutil.which, [named] if named else COMMANDS)), None)


def missing() -> str | None:
    """Say what these tests lack on this machine, if anything."""
    if lacking := [name for name in PACKAGES if not find_spec(name)]:
        return f'No {", no ".join(lacking)}: pip install "django-imgmod[e2e]".'
    if not find_chromium():
        return f"No Chromium: install {', '.join(COMMANDS)} (one of them), or name one by {VARIABLE}."
    return None


if __name__ == "__main__":
    sys.exit(missing())
