"""What every address of the API has in common. Each policy is set here: none is the site's."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from django.db import router
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.response import Response
from rest_framework.views import APIView

from ...choices import Lane
from ...models import ModerationRecord, ModerationRecordQuerySet
from ...services.review.lanes import may_review
from ..access import RATES, MayRead, SessionAuthentication, Throttle
from ..formats import JSONParser, JSONRenderer, Negotiation
from ..pagination import KeyPagination
from ..problems import answer_problem
from ..serializers import RecordSerializer
from ..strict import StrictSerializer

P = TypeVar("P", bound=StrictSerializer)


class ApiView(APIView):
    """
    An address of the API.

    A site may change ``authentication_classes`` and ``throttle_rates``: by ``urls.api_urls`` for all addresses, by a
    subclass for one.
    """

    authentication_classes = (SessionAuthentication,)
    permission_classes: Sequence[type[BasePermission]] = (MayRead,)
    throttle_classes = (Throttle,)
    throttle_rates: Mapping[str, str | None] = RATES
    throttle_scope: ClassVar[str] = "read"
    renderer_classes = (JSONRenderer,)
    parser_classes = (JSONParser,)
    content_negotiation_class = Negotiation
    metadata_class = None
    versioning_class = None
    http_method_names = ["get", "head", "post"]

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {**super().default_response_headers, "Cache-Control": "private, no-store"}

    def get_exception_handler(self) -> Callable[[Exception, Mapping[str, Any]], Response]:
        return answer_problem

    def read(self, serializer_class: type[StrictSerializer]) -> dict[str, Any]:
        """Return what was sent. Raises ``ValidationError`` for what cannot be meant."""
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        given: dict[str, Any] = serializer.validated_data
        return given

    def read_parameters(self, parameters: type[P]) -> P:
        """Return what the address asks for. Raises ``ValidationError`` for what is not known, or said twice."""
        given = dict(self.request.query_params.lists())
        if repeated := [name for name, values in given.items() if len(values) > 1]:
            raise ValidationError({name: [_("This can be said once.")] for name in repeated}, code="repeated")
        read = parameters(data={name: values[0] for name, values in given.items()})
        read.is_valid(raise_exception=True)
        return read


class ListView(ApiView):
    """Pages of records."""

    pagination_class: ClassVar[type[KeyPagination]]

    def page(self, records: ModerationRecordQuerySet, parameters: StrictSerializer) -> Response:
        """Return the page of records that is asked for: one statement, whatever there is."""
        paginator = self.pagination_class(parameters.validated_data)
        rows = paginator.paginate_queryset(with_model(records), self.request, view=self)
        response: Response = paginator.get_paginated_response(RecordSerializer(rows, many=True).data)
        return response


def database() -> str:
    """Return where records are decided about: what is read must be what is written."""
    return router.db_for_write(ModerationRecord)


def all_records() -> ModerationRecordQuerySet:
    return ModerationRecord.objects.using(database())


def with_model(records: ModerationRecordQuerySet) -> ModerationRecordQuerySet:
    """Read with records what is told of them, and not the provider's answer, which is long."""
    return records.defer("raw", "evaluated").select_related("content_type")


def first_lane(user: Any) -> Lane:
    """Return the first queue that a user may decide in. There is one: ``MayReview`` has asked."""
    return next(lane for lane in Lane if may_review(user, lane))
