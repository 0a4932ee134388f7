from __future__ import annotations

import argparse
from datetime import timedelta

import pytest
from django.utils import timezone

from django_imgmod.management.arguments import duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("10m", 600), ("2h", 7200), ("180d", 180 * 86400), ("4w", 28 * 86400), (" 2H ", 7200)],
)
def test_duration(text, seconds):
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "30", "d", "0d", "-1d", "1.5h", "2 h", "1y", "1h30m", "٣d", "999999999w"])
def test_what_is_no_duration(text):
    with pytest.raises(argparse.ArgumentTypeError, match=r"is no length of time.*10d \(days\)"):
        duration(text)


def test_longest_duration_ago_is_still_a_date():
    assert timezone.now() - duration("36500d")
