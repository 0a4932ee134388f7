"""Who is let in, and how often. Nothing here depends on what the site set for its own API."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from rest_framework import authentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from ..choices import Lane
from ..services.review.lanes import may_review

# Django's own: with either of them a model is to be seen in the admin.
READING: Final = ("django_imgmod.view_moderationrecord", "django_imgmod.change_moderationrecord")

RATES: Final[Mapping[str, str | None]] = MappingProxyType(
    {"read": "600/min", "decide": "300/min", "statistics": "30/min", "status": "120/min"}
)
"""How often one person, or one address, may do what is of each scope; None for as often as they like."""


class SessionAuthentication(authentication.SessionAuthentication):
    """The login of the site itself, with its protection against CSRF. Who is not logged in is answered 401."""

    def authenticate_header(self, request: Request) -> str:
        return "Session"


class MayRead(BasePermission):
    """Who reads the records in the admin, too: may view them, or decide in any queue."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        user = request.user
        return is_known(user) and (may_review_any(user) or any(user.has_perm(name) for name in READING))


class MayReview(BasePermission):
    """Who may decide in any queue. Each record is asked for its own."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return is_known(request.user) and may_review_any(request.user)


def is_known(user: Any) -> bool:
    """Return whether somebody is logged in; a site may have it that nobody is None."""
    return user is not None and bool(user.is_authenticated)


def may_review_any(user: Any) -> bool:
    return any(may_review(user, lane) for lane in Lane)


class Throttle(SimpleRateThrottle):
    """
    As many requests of a scope as ``throttle_rates`` of the view says, from one person, or from one address.

    ``throttle_scope`` of the view names the scope.
    """

    def __init__(self) -> None:
        """The rate is the view's, which is not known yet."""

    def allow_request(self, request: Request, view: Any) -> bool:
        self.scope = view.throttle_scope
        self.rate = view.throttle_rates[self.scope]
        self.num_requests, self.duration = self.parse_rate(self.rate)
        return super().allow_request(request, view)

    def get_cache_key(self, request: Request, view: APIView) -> str:
        # Addresses are what the client says of itself, in any length.
        who = f"user {request.user.pk}" if is_known(request.user) else f"address {self.get_ident(request)}"
        return f"django_imgmod.rest:{self.scope}:{hashlib.sha256(who.encode()).hexdigest()}"
