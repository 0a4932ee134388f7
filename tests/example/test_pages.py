from pathlib import Path

from .site import DUMMY, ExampleSite


def test_pages_of_the_example_site(tmp_path: Path) -> None:
    """The tests in pages.py need the example's own settings, so they run in a process of their own."""
    site = ExampleSite(tmp_path, IMGMOD_BACKEND=DUMMY)

    result = site.python(
        "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider", "--ds=example_project.settings", "tests/example/pages.py"
    )

    assert result.returncode == 0, result.stdout + result.stderr
