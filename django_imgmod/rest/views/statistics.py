"""How the review desk fares."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from ...services.review.statistics import read_statistics
from ..access import MayReview
from ..requests import NothingSerializer
from ..statistics import StatisticsSerializer
from .base import ApiView, database


class StatisticsView(ApiView):
    """The last days, for those who work at it."""

    permission_classes = (MayReview,)
    throttle_scope = "statistics"

    def get(self, request: Request) -> Response:
        self.read_parameters(NothingSerializer)
        return Response(StatisticsSerializer(read_statistics(request.user, using=database())).data)
