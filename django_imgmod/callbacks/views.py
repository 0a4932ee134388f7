"""The one address that providers call."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.utils.log import log_response
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from ..exceptions import CallbackRefused, ImgmodConfigurationError
from ..providers import providers
from ..services.callbacks import authenticate_callback, receive_callback

logger = logging.getLogger("django_imgmod")

CONTENT_TYPE: Final = "application/x-www-form-urlencoded"

_UNREADABLE: Final[Mapping[type[Exception], str]] = {
    RequestDataTooBig: "The form is larger than DATA_UPLOAD_MAX_MEMORY_SIZE.",
    UnicodeDecodeError: "The form is not encoded as UTF-8.",
    UnreadablePostError: "The form broke off.",
}


V = TypeVar("V", bound=Callable[..., Any])


def _outside_transactions(view: V) -> V:
    """
    Exempt a view from ``ATOMIC_REQUESTS``: what is stored stays stored, and a forged request costs no transaction.

    Of every database that ``DATABASES`` names, not of the default one alone, whether or not it has that just now. The
    databases themselves cannot change while a process runs, so that once, with the URLs, is enough.
    """
    for using in connections:
        view = transaction.non_atomic_requests(using)(view)
    return view


@csrf_exempt  # whoever calls has no session: the checksum says who it is
@login_not_required
@_outside_transactions
@require_POST
def receive(request: HttpRequest, alias: str) -> HttpResponse:
    """
    Take a provider's callback.

    Answers 200 once it is stored safely, to a repetition as well; 400 to what is not authentic, without a word why; 5xx
    where it could not be stored, so that the provider tries again.
    """
    try:
        body = _read_form(request)
        callback = authenticate_callback(alias, body)
    except (CallbackRefused, ImgmodConfigurationError) as error:
        return _refuse(alias, error)
    receive_callback(alias, body, callback)
    return HttpResponse(status=200)


def _refuse(alias: str, error: Exception) -> HttpResponse:
    # A stranger may name any alias; that one of the site's own cannot be used, somebody has to know.
    is_our_fault = isinstance(error, ImgmodConfigurationError) and alias in providers
    response = HttpResponse(status=400)
    # In place of Django's own line, and without the request: a handler might quote the form.
    log_response(
        "callback=refused provider=%.100r message=%.1000r",
        alias,
        str(error),
        response=response,
        logger=logger,
        level="error" if is_our_fault else "warning",
    )
    return response


def _read_form(request: HttpRequest) -> str:
    if request.content_type != CONTENT_TYPE:
        raise CallbackRefused(f"The content type is {request.content_type!r:.100}, not {CONTENT_TYPE!r}.")
    try:
        return request.body.decode()
    except tuple(_UNREADABLE) as error:
        raise CallbackRefused(_UNREADABLE[type(error)]) from None
