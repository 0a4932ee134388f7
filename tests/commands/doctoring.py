"""Reading what imgmod_doctor says."""

from __future__ import annotations

import io
from typing import Any

from django.core.management import CommandError, call_command


def doctor(*arguments: str, **options: Any) -> tuple[str, bool]:
    """Return what the command says, and whether it succeeds."""
    output = io.StringIO()
    try:
        call_command("imgmod_doctor", *arguments, stdout=output, no_color=True, **options)
    except CommandError:
        return output.getvalue(), False
    return output.getvalue(), True


def line_with(text: str, report: str) -> str:
    (line,) = [line for line in report.splitlines() if text in line]
    return line


def mend_of(text: str, report: str) -> str:
    lines = report.splitlines()
    mend = lines[lines.index(line_with(text, report)) + 1]
    assert mend.startswith("        -> ")
    return mend
