"""Whether a callback is authentic: the same for both generations, but for how it is taken apart and what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ...exceptions import CallbackRefused
from ...results import Callback, Verdict
from .answers import CallbackParts
from .base import AlibabaProvider
from .checksums import is_genuine


def authenticated(
    provider: AlibabaProvider,
    fields: Mapping[str, str],
    seeds_of: Callable[[str], Sequence[str]],
    *,
    take_apart: Callable[[Mapping[str, str]], CallbackParts],
    read_verdict: Callable[[dict[str, Any]], Verdict | None],
) -> Callback:
    """Return the callback that the fields of a form are, to be read when it is asked. Raises ``CallbackRefused``."""
    try:
        parts = take_apart(fields)
    except ValueError as error:
        raise CallbackRefused(f"{provider!r}: {error}") from error
    uid, crypt_type = provider.options.uid, provider.options.crypt_type
    if not uid or not is_genuine(parts.checksum, uid, seeds_of(parts.data_id), parts.content, crypt_type):
        raise CallbackRefused(f"{provider!r}: the checksum is not right.")
    return Callback(data_id=parts.data_id, verdict=partial(read_verdict, parts.element))
