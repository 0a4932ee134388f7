"""JSON in and JSON out, whatever the site set for its own API."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import IO, Any, Final, cast

from rest_framework import parsers, renderers
from rest_framework.exceptions import ParseError
from rest_framework.negotiation import DefaultContentNegotiation

from ..providers.strictjson import parsed
from .problems import TooLarge

# Room for 500 records and a comment.
MAX_BODY: Final = 256 * 1024


class JSONParser(parsers.BaseParser):
    """Read JSON as the standard has it, of at most ``MAX_BODY`` bytes."""

    media_type = "application/json"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = stream.read(MAX_BODY + 1)
        if len(body) > MAX_BODY:
            raise TooLarge
        try:
            return parsed(body)
        except ValueError as error:
            raise ParseError(f"This is no JSON: {error}") from None


class JSONRenderer(renderers.JSONRenderer):
    """Write JSON in UTF-8."""

    ensure_ascii = False
    compact = True
    strict = True


class Negotiation(DefaultContentNegotiation):
    """By the header ``Accept`` alone: no parameter of the address has a say."""

    settings = cast("Any", SimpleNamespace(URL_FORMAT_OVERRIDE=None))
