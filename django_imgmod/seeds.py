"""
Seeds: what a callback must know to be found authentic.

Each is derived from the site's SECRET_KEY for one submission of one provider. So none is stored, a callback fits one
record alone, and a forged one is refused before the database is asked anything.
"""

from __future__ import annotations

from django.conf import settings
from django.utils.crypto import salted_hmac


def callback_seed(provider: str, data_id: str) -> str:
    """Return the seed of one submission: 64 hexadecimal digits."""
    return _derive(provider, data_id, settings.SECRET_KEY)


def acceptable_seeds(provider: str, data_id: str) -> list[str]:
    """Return the seeds that a callback may have been made with, under the present secret and its predecessors."""
    return [_derive(provider, data_id, secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]


def _derive(provider: str, data_id: str, secret: str) -> str:
    # An alias is at most 50 characters of any kind: its length keeps "a" + "bc" from being "ab" + "c". JSON from a
    # stranger may hold half a surrogate pair, which is no character.
    value = f"{len(provider)}\n{provider}\n{data_id}".encode("utf-8", "surrogatepass")
    return salted_hmac("django_imgmod.callback", value, secret=secret, algorithm="sha256").hexdigest()
