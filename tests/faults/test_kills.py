"""A few of the kills of ``python -m tests.faults.kills``, at the events that a new seed draws each time."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

DEADLINE = 120.0


def test_nothing_is_lost_and_nothing_contradicts_itself_whenever_a_process_is_killed():
    # The promise of a second after the lease is for the whole form: here others may keep the machine busy.
    command = [sys.executable, "-W", "error", "-m", "tests.faults.kills", "--kills=24", "--waits=2", "--slack=20"]
    process = subprocess.run(  # noqa: S603 - our own command
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=DEADLINE
    )
    # Its output names the seed, and whatever was wrong.
    assert process.returncode == 0, process.stdout + process.stderr
    kills = re.search(r"^(\d+) kills", process.stdout)
    assert kills is not None
    assert int(kills[1]) >= 24
