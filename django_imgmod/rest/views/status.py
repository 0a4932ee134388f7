"""What the uploader of an image learns of it, by a signed link."""

from __future__ import annotations

from django.http import Http404
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request
from rest_framework.response import Response

from ...services.showing.links import record_of_token
from ...services.showing.progress import progress_of
from ..requests import NothingSerializer
from ..serializers import ProgressSerializer
from .base import ApiView


class StatusView(ApiView):
    """What becomes of an upload. Whoever has the link need not log in; one that is not valid is as if it never was."""

    permission_classes = ()
    throttle_scope = "status"

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Whoever asks, the answer is the same."""
        return []

    def get(self, request: Request, token: str) -> Response:
        self.read_parameters(NothingSerializer)
        record = record_of_token(token)
        if record is None:
            raise Http404
        return Response(ProgressSerializer(progress_of(record)).data)
