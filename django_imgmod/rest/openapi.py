"""
The API as drf-spectacular describes it.

Loaded with the app where ``drf_spectacular`` is installed. Its components have a prefix, so that they are never taken
for the site's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from django.conf import settings
from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
    OpenApiSerializerFieldExtension,
    OpenApiViewExtension,
)
from drf_spectacular.settings import spectacular_settings
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers

from . import parameters, requests
from . import serializers as told
from .access import SessionAuthentication
from .fields import ModeratedImageField
from .problems import CONTENT_TYPE
from .statistics import StatisticsSerializer
from .strict import StrictSerializer, WordField
from .views import queue, records
from .views.base import ApiView
from .views.statistics import StatisticsView
from .views.status import StatusView

PREFIX: Final = "Imgmod"
TAG: Final = "Image moderation"


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """What one method of a view takes and answers."""

    id: str
    summary: str
    response: Any
    query: type[StrictSerializer] | None = None
    request: type[StrictSerializer] | None = None
    path: str = ""
    """The parameter of the address: a UUID, or a token where nobody logs in."""

    conflict: type[told.ProblemSerializer] | None = None
    """How a 409 tells what there is instead; None where there is nothing to conflict with."""

    names_record: bool = False
    """Whether the request names a record that there need not be."""

    is_public: bool = False
    """Whether nobody needs to log in."""

    def described(self, view: type[ApiView]) -> Any:
        """Return what drf-spectacular is to know."""
        parameters: list[Any] = [self.query] if self.query else []
        if self.path:
            kind = {"type": "string"} if self.is_public else {"type": "string", "format": "uuid"}
            parameters.append(OpenApiParameter(self.path, kind, OpenApiParameter.PATH))
        parameters.append(
            OpenApiParameter(
                "Retry-After", int, OpenApiParameter.HEADER, description="In seconds.", response=[TOO_MANY]
            )
        )
        return extend_schema(
            operation_id=f"imgmod_{self.id}",
            tags=[TAG],
            summary=self.summary,
            description=view.__doc__,
            parameters=parameters,
            request=self.request,
            responses={(200, "application/json"): self.response, **self._problems()},
        )

    def _problems(self) -> dict[Any, Any]:
        found: dict[int, Any] = dict.fromkeys(_ALWAYS, told.ProblemSerializer)
        if self.request:
            found |= dict.fromkeys(_OF_A_BODY, told.ProblemSerializer)
        if self.path or self.names_record:
            found[HTTPStatus.NOT_FOUND] = told.ProblemSerializer
        if self.is_public:
            found = {status: problem for status, problem in found.items() if status not in _OF_PEOPLE}
        if self.conflict:
            found[HTTPStatus.CONFLICT] = self.conflict
        return {
            (int(status), CONTENT_TYPE): OpenApiResponse(found[status], description=HTTPStatus(status).phrase)
            for status in sorted(found)
        }


TOO_MANY: Final = int(HTTPStatus.TOO_MANY_REQUESTS)
_ALWAYS: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_ACCEPTABLE,
    HTTPStatus.TOO_MANY_REQUESTS,
)
_OF_PEOPLE: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_OF_A_BODY: Final = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)

OPERATIONS: Final[Mapping[type[ApiView], Mapping[str, Operation]]] = {
    records.RecordListView: {
        "get": Operation(
            id="records",
            summary="List records",
            query=parameters.RecordParameters,
            response=told.RecordSerializer(many=True),
        )
    },
    records.RecordView: {
        "get": Operation(id="record", summary="Read a record", path="public_id", response=told.CardSerializer),
    },
    records.DecideView: {
        "post": Operation(
            id="decide",
            summary="Decide about a record",
            path="public_id",
            request=requests.DecideSerializer,
            response=told.DecidedSerializer,
            conflict=told.RecordProblemSerializer,
        )
    },
    records.EscalateView: {
        "post": Operation(
            id="escalate",
            summary="Hand a record on",
            path="public_id",
            request=requests.EscalateSerializer,
            response=told.DecidedSerializer,
            conflict=told.RecordProblemSerializer,
        )
    },
    queue.QueueView: {
        "get": Operation(
            id="queue",
            summary="List what waits",
            query=parameters.QueueParameters,
            response=told.RecordSerializer(many=True),
        )
    },
    queue.ClaimView: {
        "post": Operation(
            id="claim",
            summary="Claim a card",
            query=parameters.ClaimParameters,
            request=requests.ClaimRequestSerializer,
            response=told.ClaimSerializer,
            conflict=told.ProblemSerializer,
            names_record=True,
        )
    },
    queue.ReleaseView: {
        "post": Operation(
            id="release",
            summary="Give claims back",
            request=requests.ReleaseSerializer,
            response=told.ReleasedSerializer,
        )
    },
    queue.DecideManyView: {
        "post": Operation(
            id="decide_many",
            summary="Decide about many records",
            request=requests.DecideManySerializer,
            response=told.BatchSerializer,
            conflict=told.ReceiptsProblemSerializer,
        )
    },
    queue.BatchListView: {
        "get": Operation(id="batches", summary="List what one decided last", response=told.DoneBatchesSerializer),
    },
    queue.UndoView: {
        "post": Operation(
            id="undo",
            summary="Take a batch back",
            path="batch",
            request=requests.NothingSerializer,
            response=told.UndoneSerializer,
            conflict=told.ReceiptsProblemSerializer,
        )
    },
    StatusView: {
        "get": Operation(
            id="status",
            summary="What becomes of an upload",
            path="token",
            response=told.ProgressSerializer,
            is_public=True,
        ),
    },
    StatisticsView: {
        "get": Operation(id="statistics", summary="Statistics of the review desk", response=StatisticsSerializer),
    },
}


class DescribedView(OpenApiViewExtension):  # type: ignore[no-untyped-call]
    """An address, its subclasses included."""

    target_class = ApiView
    match_subclasses = True

    def view_replacement(self) -> type[ApiView]:
        view: type[ApiView] = self.target
        of = next((base for base in view.__mro__ if base in OPERATIONS), None)
        if of is None:
            return view
        described = {method: operation.described(of) for method, operation in OPERATIONS[of].items()}
        return extend_schema_view(**described)(type(view.__name__, (view,), {}))


class DescribedSession(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The cookie of the site's own login."""

    target_class = SessionAuthentication
    name = "cookieAuth"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "apiKey", "in": "cookie", "name": settings.SESSION_COOKIE_NAME}


class DescribedAnswer(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """What is told."""

    target_class = told.ToldSerializer
    match_subclasses = True

    def get_name(self, auto_schema: Any, direction: Any) -> str:
        return PREFIX + type(self.target).__name__

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        schema: dict[str, Any] = auto_schema._map_serializer(self.target, direction, bypass_extensions=True)
        return schema


class DescribedRequest(DescribedAnswer):  # type: ignore[no-untyped-call]
    """What is read: nothing else is."""

    target_class = StrictSerializer  # type: ignore[assignment]
    match_subclasses = True

    def map_serializer(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        schema = super().map_serializer(auto_schema, direction)
        for name, field in self.target.fields.items():
            if isinstance(field, serializers.ListSerializer):
                schema["properties"][name] |= {
                    "minItems": int(not field.allow_empty),
                    "maxItems": vars(field)["max_length"],
                }
        return {**schema, "additionalProperties": False}


class DescribedWord(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """One of some words; those of the settings as they are now."""

    target_class = WordField
    match_subclasses = True

    def get_name(self) -> str | None:
        return PREFIX + self.target.name if self.target.name else None

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        schema: dict[str, Any] = {"type": "string", "enum": self.target.words}
        if self.target.choices:
            schema["description"] = "\n".join(f"* `{value}` - {label}" for value, label in self.target.choices.choices)
        return schema


class DescribedImage(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """A file where it is written, which a schema can tell apart under ``COMPONENT_SPLIT_REQUEST`` alone."""

    target_class = ModeratedImageField
    match_subclasses = True

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> dict[str, Any]:
        if direction == "request" and spectacular_settings.COMPONENT_SPLIT_REQUEST:
            return {"type": "string", "format": "binary"}
        image = told.ImageSerializer if self.target.with_status else told.PictureSerializer
        component = auto_schema.resolve_serializer(image, "response")
        return {"allOf": [component.ref], "nullable": True}
