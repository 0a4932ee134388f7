"""Signed links by which whoever uploaded an image learns what became of it, without logging in."""

from __future__ import annotations

import uuid
from typing import Final

from django.core import signing

from ...conf import imgmod_settings
from ...models import ModerationRecord
from ..sweep import record_databases

_SALT: Final = "django_imgmod.status"


def status_token(record: ModerationRecord) -> str:
    """Return what a link names a record by. It says nothing, and fits this record alone."""
    return signing.dumps(record.public_id.hex, salt=_SALT)


def record_of_token(token: str) -> ModerationRecord | None:
    """
    Return the record that a token names.

    None for one that has expired, was signed by another key or by nobody, or names a record that is gone: whoever
    asks must not be able to tell them apart. One query for each database with records, none for a foreign token.
    """
    try:
        public_id = uuid.UUID(signing.loads(token, salt=_SALT, max_age=imgmod_settings.editors.link_seconds))
    except (signing.BadSignature, ValueError, TypeError, AttributeError):
        return None
    for using in record_databases():
        if record := ModerationRecord.objects.using(using).filter(public_id=public_id).defer("raw").first():
            return record
    return None
