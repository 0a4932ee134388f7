"""How the review desk fares, in numbers. Nothing in them depends on who judges."""

from __future__ import annotations

from datetime import timedelta

from rest_framework import serializers

from ..choices import Lane
from ..services.review.statistics import Wait
from .serializers import MomentField, ToldSerializer
from .strict import WordField


class DaySerializer(ToldSerializer):
    """What happened on one day."""

    date = serializers.DateField(format="iso-8601")
    arrived_count = serializers.IntegerField(help_text="Records opened on that day that waited, or wait, for a person.")
    returned_count = serializers.IntegerField(help_text="Appeals, and what a person sent back to the queue.")
    passed_count = serializers.IntegerField()
    blocked_count = serializers.IntegerField()
    escalated_count = serializers.IntegerField()


class QueueSerializer(ToldSerializer):
    """What waits in one queue."""

    lane = WordField(Lane)
    count = serializers.IntegerField()
    oldest_at = MomentField(allow_null=True)


class WaitSerializer(ToldSerializer):
    """How long people took to decide about what waited for them."""

    lane = WordField(Lane)
    median_seconds = serializers.SerializerMethodField()
    sample_count = serializers.IntegerField()

    def get_median_seconds(self, wait: Wait) -> float | None:
        """Return the median; null of a sample that is too small."""
        median: timedelta | None = wait.median
        return None if median is None else median.total_seconds()


class AgreementSerializer(ToldSerializer):
    """What people decided about the pictures whose gravest label was this one."""

    label = serializers.CharField(allow_blank=True, help_text="Empty for those that have none.")  # type: ignore[assignment]
    decided_count = serializers.IntegerField(help_text="Pictures that the policy had put before a person.")
    blocked_count = serializers.IntegerField(help_text="Those of them that the person blocked.")
    blocked_share = serializers.FloatField(allow_null=True, help_text="0 to 1; null of a sample that is too small.")
    blocked_after_pass_count = serializers.IntegerField(
        help_text="Those that the policy had passed and a person blocked."
    )
    passed_after_block_count = serializers.IntegerField(
        help_text="Those that the policy had blocked and a person passed."
    )


class OwnSerializer(ToldSerializer):
    """Whoever asks: their own numbers, for nobody else."""

    decided_today_count = serializers.IntegerField()
    decided_count = serializers.IntegerField()
    escalated_count = serializers.IntegerField()
    revealed_today_count = serializers.IntegerField()
    revealed_count = serializers.IntegerField()


class TeamSerializer(ToldSerializer):
    """What is usual among those who decide; null of so few people that it would tell about one of them."""

    people_count = serializers.IntegerField()
    median_count = serializers.FloatField(allow_null=True, help_text="Decisions of one person in the window.")
    median_day_count = serializers.FloatField(allow_null=True, help_text="Decisions of one person on one day.")


class StatisticsSerializer(ToldSerializer):
    """The review desk over the last days."""

    days = DaySerializer(many=True, help_text="The oldest first; the last one is today.")
    is_complete = serializers.BooleanField(
        help_text="False where there was more than is read: the days begin later then."
    )
    queues = QueueSerializer(many=True)
    waits = WaitSerializer(many=True)
    agreements = AgreementSerializer(many=True, help_text="Those with the largest samples first.")
    own = OwnSerializer()
    team = TeamSerializer()
