"""A person with several windows that all report what was revealed in them."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from django_imgmod.models import Exposure
from django_imgmod.services.review.exposure import note_reveals, should_propose_break
from tests.concurrency.test_races import together

pytestmark = pytest.mark.django_db(transaction=True)

WINDOWS = 6
ROUNDS = 15


def test_nothing_is_lost_and_a_break_is_proposed_once(settings):
    settings.IMGMOD = {**settings.IMGMOD, "REVIEW": {"BREAK_AFTER": 10}}
    for number in range(ROUNDS):
        user = User.objects.create_user(f"moderator-{number}")
        # The first of them makes the day's row.
        sums = together(*[lambda user=user: note_reveals(user, 2)] * WINDOWS)
        assert sorted(sums) == [2 * count for count in range(1, WINDOWS + 1)]
        assert Exposure.objects.get(user=user).revealed_count == 2 * WINDOWS
        assert sum(should_propose_break(after - 2, after) for after in sums) == 1
