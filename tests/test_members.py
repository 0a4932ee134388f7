"""A site whose users are of a model of its own, with keys of another type and images."""

from __future__ import annotations

import os
import subprocess
import sys


def test_users_of_the_sites_own():
    done = subprocess.run(
        [sys.executable, "-m", "tests.members.play"],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.members.settings"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["played"]), done.stderr
