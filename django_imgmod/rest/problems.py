"""Errors as RFC 9457 has them, ``application/problem+json``: one shape for each of them, and never a trace."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from http.client import responses
from typing import Any, Final

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.core.signals import got_request_exception
from django.http import Http404, UnreadablePostError
from django.utils.log import log_response
from django.utils.translation import gettext_lazy as _
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import set_rollback

from ..exceptions import ReviewRefused
from ..services.storable import storable

CONTENT_TYPE: Final = "application/problem+json"


class Conflict(exceptions.APIException):
    """What was asked for is not to be had any more. ``facts`` say what there is instead."""

    status_code = HTTPStatus.CONFLICT
    default_code = "conflict"

    def __init__(self, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.facts = facts


class Refused(exceptions.APIException):
    """The services refuse it, in words for a person."""

    status_code = HTTPStatus.BAD_REQUEST
    default_code = "refused"


class TooLarge(exceptions.APIException):
    """More bytes than are read."""

    status_code = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    default_detail = _("The request is too large.")
    default_code = "too_large"


class Malformed(exceptions.APIException):
    """Django itself would not read the request."""

    status_code = HTTPStatus.BAD_REQUEST
    default_detail = _("The request cannot be read.")
    default_code = "malformed"


def answer_problem(error: Exception, context: Mapping[str, Any]) -> Response:
    """Return the answer that tells of an error. What nobody expected is logged, and told as nothing but that."""
    known = _known(error)
    response = _response(known or exceptions.APIException(_("An unexpected error. The site's log has more.")))
    if known is None:
        _report(error, response, context)
    set_rollback()
    return response


def _known(error: Exception) -> exceptions.APIException | None:
    if isinstance(error, exceptions.APIException):
        return error
    if isinstance(error, ReviewRefused):
        return Refused(str(error))
    if isinstance(error, Http404):
        return exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        return exceptions.PermissionDenied()
    if isinstance(error, SuspiciousOperation | BadRequest | UnreadablePostError):
        return Malformed()
    return None


def _report(error: Exception, response: Response, context: Mapping[str, Any]) -> None:
    """Tell whoever listens for errors, as Django does of those that reach it."""
    request = context["request"]._request
    got_request_exception.send(sender=type(context["view"]), request=request)
    log_response("%s: %s", "Internal Server Error", request.path, response=response, request=request, exception=error)


def _response(error: exceptions.APIException) -> Response:
    status = int(error.status_code)
    headers = {}
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = str(math.ceil(wait))
    return Response(
        # A way to log in of the site's own may have a status of its own. What is quoted of the request may hold half a
        # surrogate pair, which JSON knows how to write and UTF-8 does not.
        storable({"type": "about:blank", "title": responses.get(status, ""), "status": status, **_told(error)}),
        status=status,
        headers=headers,
        content_type=CONTENT_TYPE,
    )


def _told(error: exceptions.APIException) -> dict[str, Any]:
    if not isinstance(error.detail, dict | list):
        return {"detail": str(error.detail), "code": error.detail.code, **getattr(error, "facts", {})}
    return {
        "detail": str(_("The request is not as it has to be; “errors” names the places.")),
        "code": "invalid",
        "errors": list(_errors(error.detail)),
    }


def _errors(detail: Any, place: str = "") -> Iterator[dict[str, str]]:
    """Yield what is wrong in each place, such as ``records.3.version``; the place of the whole is empty."""
    if isinstance(detail, exceptions.ErrorDetail):
        yield {"place": place, "detail": str(detail), "code": str(detail.code)}
        return
    for name, part in detail.items() if isinstance(detail, dict) else enumerate(detail):
        # Of a list of messages, and of a message about the whole, the place is the one that they are found in.
        is_place = name != api_settings.NON_FIELD_ERRORS_KEY and not (
            isinstance(detail, list) and isinstance(part, exceptions.ErrorDetail)
        )
        yield from _errors(part, f"{place}.{name}".lstrip(".") if is_place else place)
