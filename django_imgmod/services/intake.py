"""
From a saved or deleted object to its records.

The stored file name is compared with the current record's, inside the caller's transaction: what an instance in
memory looked like before is no evidence, since another process may have saved the row meanwhile.
"""

from __future__ import annotations

import copy
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from django.contrib.contenttypes.models import ContentType
from django.db import models, router, transaction
from django.db.models import Case, F, When
from django.utils import timezone

from ..choices import UNDECIDED, Status
from ..models import ModerationRecord, current_key
from ..registry import WatchedField
from ..signals import work_due
from ..uploaders import NOT_IN_MEMORY
from .deadlocks import repeat
from .insertion import insert_unless_current
from .prepared import Prepared, Statement, parameters
from .transitions import NOT_IN_REVIEW

# Each look but the first follows a save of the same row by another process. A row that never comes to rest is left to
# ``imgmod_reconcile``.
MAX_LOOKS: Final = 10


@dataclass(frozen=True, slots=True)
class Target:
    """One watched field of one object, and where the object's row and its records are kept."""

    watched: WatchedField
    object_id: str
    pk: object
    object_db: str
    record_db: str
    uploader_id: object = NOT_IN_MEMORY
    is_new: bool = False
    """Whether the row was just made: a record that has its key is another one's, which was deleted past the signals."""

    @property
    def key(self) -> str:
        return current_key(self.watched.model, self.object_id, self.watched.name)


def target_of(watched: WatchedField, instance: models.Model, using: str, *, is_new: bool = False) -> Target:
    """Return where the image field of an object is, whose row is in the database ``using``."""
    return Target(
        watched=watched,
        object_id=watched.object_id(instance),
        pk=getattr(instance, watched.model._meta.pk.attname),
        object_db=using,
        record_db=record_database(instance, using),
        uploader_id=path.read(instance) if (path := watched.uploader_path) else None,
        is_new=is_new,
    )


def record_database(instance: models.Model, using: str) -> str:
    """Return the database that keeps the records of an object whose row is in the database ``using``."""
    if instance._state.db != using:
        # A router goes by where the instance says that it is.
        instance = copy.copy(instance)
        instance._state.db = using
    return router.db_for_write(ModerationRecord, instance=instance)


def object_saved(
    instance: models.Model,
    fields: Sequence[WatchedField],
    *,
    using: str,
    is_created: bool = False,
    uploaded: Collection[str] = (),
) -> None:
    """
    Open a record for each image field of a saved object whose file is another than the current record's.

    ``uploaded`` names fields whose bytes were written by this save, so that a storage that overwrites under the same
    name does not hide a new picture. Statements: one INSERT for a created object, one SELECT where nothing changed.
    The wake-up waits for the commit.
    """
    targets = {watched: target_of(watched, instance, using, is_new=is_created) for watched in fields}
    names = {watched: watched.file_name(instance) for watched in fields}
    if is_created:
        current: dict[str | None, ModerationRecord] = {}
        fields = [watched for watched in fields if names[watched]]
    else:
        current = _current_records(targets.values())
    for watched in fields:
        target, name = targets[watched], names[watched]
        record = current.get(target.key)
        if (record.file_name if record else "") != name or (record and name and watched.name in uploaded):
            _replace(target, name, has_record=record is not None)


def object_deleted(instance: models.Model, fields: Sequence[WatchedField], *, using: str) -> None:
    """Supersede the records of a deleted object; one UPDATE."""
    targets = [target_of(watched, instance, using) for watched in fields]
    records = ModerationRecord.objects.using(targets[0].record_db)
    _supersede(records.filter(current_key__in=[target.key for target in targets]))


def reopen(target: Target) -> None:
    """Replace whatever record an image field has by a new one of the file that its row names."""
    _replace(target, _stored_name(target))


def confirm(target: Target) -> None:
    """
    After the commit: make sure that the current record is of the file that the row really names, and announce it.

    Two processes that save the same row may run their handlers in the other order than their updates, and a row that
    was deleted behind Django's back leaves a current record that stands in the way of the next one with its key.
    Whoever writes looks again afterwards: the last one to look sees the final state.
    """
    for _ in range(MAX_LOOKS):
        stored = _stored_name(target)
        file_name, public_id, status = _FIND_CURRENT.first(target.record_db, current_key=target.key) or ("", None, "")
        if file_name == stored:
            if status in UNDECIDED:
                work_due.send(ModerationRecord, public_id=public_id, using=target.record_db)
            return
        _write(target, stored)


def _find_current(using: str) -> Statement:
    current = ModerationRecord.objects.using(using).filter(**parameters(ModerationRecord, "current_key"))
    return current.values_list("file_name", "public_id", "status"), {}


_FIND_CURRENT: Final = Prepared(_find_current)


def _stored_name(target: Target) -> str:
    """Return the file name that the row has now, empty where there is no row."""
    model, name = target.watched.model, target.watched.name
    # A manager of the site's own may answer another way each time.
    find = _find_name_always if type(model._base_manager) is models.Manager else _find_name
    row = find(model, name).first(target.object_db, **{model._meta.pk.name: target.pk})
    return row[0] or "" if row else ""


def _find_name(model: type[models.Model], name: str) -> Prepared:
    def build(using: str) -> Statement:
        rows = model._base_manager.using(using).filter(**parameters(model, model._meta.pk.name))
        return rows.values_list(name), {}

    return Prepared(build)


_find_name_always: Final = cache(_find_name)


def _confirm_on_commit(target: Target) -> None:
    """Wait for the object's commit, also where its records are kept in another database."""
    transaction.on_commit(lambda: confirm(target), using=target.object_db, robust=True)


def _current_records(targets: Collection[Target]) -> dict[str | None, ModerationRecord]:
    using = next(iter(targets)).record_db
    keys = [target.key for target in targets]
    records = ModerationRecord.objects.using(using).only("current_key", "file_name", "public_id", "status")
    return {record.current_key: record for record in records.filter(current_key__in=keys)}


def _replace(target: Target, name: str, *, has_record: bool = True) -> None:
    """Put a record of ``name`` in the place of the current one, and have it worked on after the commit."""
    _write(target, name, has_record=has_record)
    _confirm_on_commit(target)


def _write(target: Target, name: str, *, has_record: bool = True) -> None:
    """Supersede the current record, if there may be one, and open one of ``name``, if there is a file."""
    if name:
        # Looked up before anything is written: on SQLite a transaction that begins by reading may not get to write.
        _content_type_id(target)
    repeat(lambda: _write_once(target, name, has_record=has_record), using=target.record_db)


def _write_once(target: Target, name: str, *, has_record: bool) -> None:
    if not has_record:
        if name:
            open_record(target, name)
        return
    with transaction.atomic(using=target.record_db, savepoint=False):
        records = ModerationRecord.objects.using(target.record_db)
        has_former = bool(_supersede(records.filter(current_key=target.key))) and not target.is_new
        if name:
            open_record(target, name, last_accepted_name=_last_accepted_name(target, name) if has_former else None)


def _content_type_id(target: Target) -> int:
    content_types = ContentType.objects.db_manager(target.record_db)
    return content_types.get_for_model(target.watched.model).pk


def _last_accepted_name(target: Target, name: str) -> str | None:
    """
    Return the file that was passed last, as the record says that was just superseded.

    Not one of the same name: whatever is stored under it is what was just saved.
    """
    records = ModerationRecord.objects.using(target.record_db)
    of_field = records.filter(
        content_type_id=_content_type_id(target), object_id=target.object_id, field_name=target.watched.name
    )
    last_accepted_name = of_field.order_by("-pk").values_list("last_accepted_name", flat=True).first()
    return None if last_accepted_name == name else last_accepted_name


def _supersede(records: models.QuerySet[ModerationRecord]) -> int:
    """
    Supersede what ``records`` selects, return how many: allowed from every other status, so it needs no look at each.
    """
    return records.update(
        # First: MySQL takes the columns in this order, and reads what it has just written.
        last_accepted_name=Case(When(status=Status.PASSED, then=F("file_name")), default=F("last_accepted_name")),
        status=Status.SUPERSEDED,
        current_key=None,
        settled_at=timezone.now(),
        due_at=None,
        lease_until=None,
        lease_owner="",
        version=F("version") + 1,
        **NOT_IN_REVIEW,
    )


def open_record(
    target: Target, name: str, *, is_shadow: bool = False, last_accepted_name: str | None = None
) -> uuid.UUID:
    """Insert a pending record of a file, unless the field has a current one; return its public id. Wakes nobody."""
    public_id = uuid.uuid4()
    insert_unless_current(
        target.record_db,
        public_id=public_id,
        content_type_id=_content_type_id(target),
        object_id=target.object_id,
        field_name=target.watched.name,
        current_key=target.key,
        file_name=name,
        last_accepted_name=last_accepted_name,
        provider=target.watched.provider,
        policy=target.watched.policy,
        is_shadow=is_shadow,
        uploaded_by_id=_uploader_id(target),
        created_at=timezone.now(),
    )
    return public_id


def _uploader_id(target: Target) -> object:
    if target.uploader_id is not NOT_IN_MEMORY:
        return target.uploader_id
    path = target.watched.uploader_path
    if path is None:
        return None
    rows = target.watched.model._base_manager.using(target.object_db).filter(pk=target.pk)
    return rows.values_list(path.lookup, flat=True).first()
