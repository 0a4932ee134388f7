"""URLs as a provider may be told them."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

import idna
from django.utils.encoding import iri_to_uri


def in_ascii(url: str) -> str:
    """
    Return a URL in ASCII: the host in Punycode, the rest percent-encoded.

    Raises ``ValueError`` for what is none, or a host that is no name.
    """
    parts = urlsplit(url)
    if not parts.netloc.isascii():
        user, at, place = parts.netloc.rpartition("@")
        host, colon, port = place.partition(":")
        # As browsers and HTTP clients look it up; that of the standard library is an older rule.
        host = host if host.isascii() else idna.encode(host, uts46=True).decode()
        url = urlunsplit(parts._replace(netloc=f"{user}{at}{host}{colon}{port}"))
    return str(iri_to_uri(url))
