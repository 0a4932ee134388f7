from pathlib import Path

import pytest

from .site import DUMMY, ExampleSite


@pytest.mark.parametrize("name", ["pages.py", "acts.py"])
def test_under_the_settings_of_the_example(tmp_path: Path, name: str) -> None:
    """These tests need the example's own settings, so they run in a process of their own."""
    site = ExampleSite(tmp_path, IMGMOD_BACKEND=DUMMY)

    result = site.python(
        *("-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", "--ds=example_project.settings"),
        f"tests/example/{name}",
    )

    assert result.returncode == 0, result.stdout + result.stderr
