"""The examples of docs/testing.md and docs/signals.md do what the pages say, in a site of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from django_imgmod.testing import Moderation

from .documented import ROOT, build_site, run

SETTINGS = {"DJANGO_SETTINGS_MODULE": "settings"}
# As if it were not installed.
WITHOUT_PYTEST = """
import sys
sys.modules["pytest"] = None
from django.core.management import execute_from_command_line
execute_from_command_line(["django", "test", "gallery.tests.test_uploads"])
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    build_site(tmp_path, "testing.md", "signals.md")
    return tmp_path


def test_examples_pass_with_pytest(site):
    done = run("-m", "pytest", "-q", "-W", "error", "-p", "no:xdist", "-p", "no:cacheprovider", cwd=site, **SETTINGS)
    assert re.search(r"^10 passed in", done.stdout, re.MULTILINE), done.stdout + done.stderr


def test_examples_pass_with_unittest(site):
    done = run("-W", "error", "-c", WITHOUT_PYTEST, cwd=site, **SETTINGS)
    assert re.search(r"^Ran 3 tests .*^OK$", done.stderr, re.MULTILINE | re.DOTALL), done.stdout + done.stderr


def test_all_that_it_can_is_documented():
    text = (ROOT / "docs" / "testing.md").read_text()
    documented = set(re.findall(r"^\| `imgmod\.(\w+)", text, re.MULTILINE))
    assert documented == {name for name in vars(Moderation) if not name.startswith("_")}
