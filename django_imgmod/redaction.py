"""What is said by errors that are not ours, fit to be kept, logged and shown."""

from __future__ import annotations

import logging
import re
from typing import Final

# A whole URL, so that the rest of it is not searched again.
_URL: Final = re.compile(
    r"""(?P<scheme>\b[a-z][a-z0-9+.-]{1,20}:\\?/\\?/)(?P<rest>[^\s?#"'<>]*)(?P<query>[?#][^\s"'<>]*)?""", re.IGNORECASE
)
_PARAMETER: Final = re.compile(
    r"""\b([\w-]{0,40}(?:signature|token|secret|password|credential)[\w-]{0,40})"""
    r"""(["']?[:=]\s{0,4}["']?)[^\s&"'<>]+""",
    re.IGNORECASE,
)


def without_queries(text: str) -> str:
    """Return a text without queries, fragments and users of its URLs: that is where signatures and passwords are."""
    # Most texts have none.
    return _URL.sub(_without_query, text) if "/" in text else text


def redacted(text: object) -> str:
    """Return what an error says without what may let others in: queries of URLs, signatures, tokens, passwords."""
    return _PARAMETER.sub(r"\1\2…", without_queries(str(text)))


def in_words(error: BaseException) -> str:
    """Return the kind of an error and what it says, ``redacted``."""
    return f"{type(error).__name__}: {redacted(error)}"


def _without_query(match: re.Match[str]) -> str:
    host, slash, path = match["rest"].partition("/")
    query = "?…" if match["query"] else ""
    return f"{match['scheme']}{host.rpartition('@')[2]}{slash}{path}{query}"


def _redact_traceback(record: logging.LogRecord) -> bool:
    """Let formatters find the traceback of an error as it may be shown; ``exc_info`` stays what it is."""
    if record.exc_info and not record.exc_text:
        record.exc_text = redacted(logging.Formatter().formatException(record.exc_info))
    return True


logging.getLogger("django_imgmod").addFilter(_redact_traceback)
