"""The end of the shadow: what was judged without consequence takes effect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from operator import itemgetter

from django.contrib.contenttypes.models import ContentType
from django.db.models import F

from ..choices import Status
from .walk import Walk, batches


def enforce(walk: Walk, *, is_dry: bool = False) -> Iterator[Counter[str]]:
    """
    Make the shadow records of a watched field ordinary ones, a batch at a time; yield how many of each status.

    From then on an image shows only if it has passed. With ``is_dry`` they are only counted.
    """
    content_type = ContentType.objects.db_manager(walk.record_db).get_for_model(walk.watched.model)
    wanted = (content_type.pk, walk.watched.name, True)
    columns = walk.records().values_list("pk", "content_type", "field_name", "is_shadow", "status")
    for batch in batches(columns, walk.batch, pk_of=itemgetter(0)):
        # Chosen here: in SQL a condition that an index fits could tempt away from the order of keys, at each batch.
        shadows = {pk: status for pk, *is_wanted, status in batch if tuple(is_wanted) == wanted}
        shadows = {pk: status for pk, status in shadows.items() if status != Status.SUPERSEDED}
        yield Counter(shadows.values())
        if shadows and not is_dry:
            rows = walk.records().filter(pk__in=list(shadows), is_shadow=True)
            rows.update(is_shadow=False, version=F("version") + 1)
