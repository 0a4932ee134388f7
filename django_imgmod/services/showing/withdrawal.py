"""Taking down a picture that stays live although another one has taken its place."""

from __future__ import annotations

import logging

from ...models import ModerationRecord

logger = logging.getLogger("django_imgmod")


def withdraw_accepted(record: ModerationRecord, file_name: str) -> None:
    """
    Show a file no more in the place of those that came after it in the image field of ``record``.

    For one that should never have been accepted: it counts as not accepted, whatever is or will be there instead. The
    file itself stays where it is.
    """
    of_field = ModerationRecord.objects.using(record._state.db).filter(
        content_type_id=record.content_type_id,
        object_id=record.object_id,
        field_name=record.field_name,
        last_accepted_name=file_name,
    )
    # Again, until there is none: whoever replaces the picture meanwhile hands the name on to one more record.
    while count := of_field.update(last_accepted_name=None):
        logger.info("accepted=withdrawn record=%s count=%s", record.public_id, count)
