"""What ``imgmod_doctor`` examines. Nothing here writes, except the canaries, which take away what they brought."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final

from django.core.checks import run_checks
from django.core.files.storage import FileSystemStorage, Storage
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from ..canary import LEVELS, CanaryLevel
from ..checks import TAG
from ..choices import Status
from ..conf import imgmod_settings
from ..exceptions import ImgmodConfigurationError
from ..models import ModerationRecord
from ..providers import providers
from ..registry import WatchedField, all_watched_fields
from ..results import Soundness
from ..services.live import diagnose
from ..services.probe import PREFIX, ProbeReport, probe
from ..services.sweep import record_databases
from .findings import Finding, fault
from .live import live_findings

OVERDUE: Final = timedelta(minutes=15)
# Seconds to wait for a provider that does not answer at once.
CANARY_TIMEOUT: Final = 60.0
# What E012 reports is said by each provider's own line, together with whether its engine loads.
SAID_ELSEWHERE: Final = frozenset({"imgmod.E012"})


def findings(*, with_canaries: bool = False, is_live: bool = False) -> Iterator[Finding]:
    """
    Examine everything, one finding after the other; with ``is_live`` the services outside are asked as well.

    Raises nothing: what cannot be examined is a finding too.
    """
    examinations: dict[str, Callable[[], Iterator[Finding]]] = {
        "settings": _examine_settings,
        "databases": _examine_databases,
        "providers": live_findings if is_live else _examine_providers,
        "fields": _examine_fields,
        "storages": _examine_storages,
    }
    if with_canaries:
        examinations["canaries"] = _examine_canaries
    for subject, examination in examinations.items():
        try:
            yield from examination()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other examinations go on
            yield fault(subject, error, "Mend this first: until then this part cannot be examined.")


def _examine(subject: str, look: Callable[[], str], mend: str) -> Finding:
    """Return what ``look`` says, or what it raises as a fault."""
    try:
        return Finding(Soundness.OK, f"{subject}: {look()}")
    except Exception as error:  # noqa: BLE001 - a storage, a database or an engine raises what it likes
        return fault(subject, error, mend)


def _examine_settings() -> Iterator[Finding]:
    messages = [message for message in run_checks(tags=[TAG]) if message.id not in SAID_ELSEWHERE]
    complaints = [message for message in messages if not message.is_silenced()]
    for message in complaints:
        level = Soundness.FAULT if message.is_serious() else Soundness.WARNING
        yield Finding(level, f"settings: {message.msg} ({message.id})", message.hint or "")
    if not complaints:
        yield Finding(Soundness.OK, f"settings: in order, dispatcher {imgmod_settings.dispatcher}")


def _examine_databases() -> Iterator[Finding]:
    for alias in record_databases():
        migrations = _examine(
            f'database "{alias}"',
            partial(look_at_migrations, alias),
            f"Run manage.py migrate --database={alias}, or say in a database router that no records are kept there.",
        )
        yield migrations
        if migrations.level == Soundness.OK:
            yield _backlog(alias)


def look_at_migrations(alias: str) -> str:
    """Say that a database has all tables; raises ``ImgmodConfigurationError`` naming the migrations that it lacks."""
    executor = MigrationExecutor(connections[alias])
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes("django_imgmod"))
    if plan:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in plan)
        raise ImgmodConfigurationError(f"not applied are the migrations {names}")
    return "migrations applied"


def _backlog(alias: str) -> Finding:
    due = ModerationRecord.objects.using(alias).due()
    oldest = due.values_list("due_at", flat=True).first()
    if oldest is None:
        return Finding(Soundness.OK, f'work in "{alias}": nothing is due')
    age = timezone.now() - oldest
    text = f'work in "{alias}": {due.count()} due, the oldest for {age.total_seconds() / 60:.0f} minutes'
    if age < OVERDUE:
        return Finding(Soundness.OK, text)
    return Finding(Soundness.WARNING, text, "Run manage.py imgmod_worker, and see to it that it keeps running.")


def _examine_providers() -> Iterator[Finding]:
    for alias in imgmod_settings.providers:
        mend = f'Do what the message says, or correct IMGMOD["PROVIDERS"]["{alias}"].'
        yield _examine(f'provider "{alias}"', partial(diagnose, alias), mend)


def _examine_fields() -> Iterator[Finding]:
    fields = list(all_watched_fields())
    for watched in fields:
        policy = imgmod_settings.policy(watched.policy)
        text = f'field {watched.label}: provider "{watched.provider}", policy "{watched.policy}" ({policy.mode})'
        yield Finding(Soundness.OK, f"{text}: images show whatever the verdict" if policy.is_shadow else text)
    if not fields:
        mend = 'Name fields in IMGMOD["FIELDS"], or decorate models with @moderate.'
        yield Finding(Soundness.FAULT, "fields: none is watched, so nothing is moderated", mend)


def _examine_storages() -> Iterator[Finding]:
    fields_by_storage: dict[int, list[WatchedField]] = {}
    for watched in all_watched_fields():
        fields_by_storage.setdefault(id(watched.field.storage), []).append(watched)
    for fields in fields_by_storage.values():
        storage = fields[0].field.storage
        yield _examine(
            f"storage {storage.__class__.__name__} of {_named(fields)}",
            partial(_look_into, storage),
            "Correct the storage's settings or the rights of this process: no image in it can be judged.",
        )


def _named(fields: Sequence[WatchedField]) -> str:
    names = ", ".join(watched.label for watched in fields[:3])
    return names if len(fields) <= 3 else f"{names} and {len(fields) - 3} more"


def _look_into(storage: Storage) -> str:
    storage.exists("imgmod-doctor-probe")
    if isinstance(storage, FileSystemStorage):
        # Its exists() takes a folder that may not be read for an empty one.
        folder = Path(storage.location)
        if not folder.exists():
            return f"{folder} does not exist yet; the first upload makes it"
        if not os.access(folder, os.R_OK | os.X_OK):
            raise PermissionError(f"{folder} may not be read")
    return "readable"


def _examine_canaries() -> Iterator[Finding]:
    fields = list(all_watched_fields())
    for alias in imgmod_settings.providers:
        watched = next((watched for watched in fields if watched.provider == alias), None)
        if watched is None:
            yield Finding(Soundness.OK, f'canaries: none sent to "{alias}", which no watched field uses')
            continue
        for level in LEVELS:
            yield _examine_canary(watched, level)


def _examine_canary(watched: WatchedField, level: CanaryLevel) -> Finding:
    subject = f'{level} canary, {watched.label} by "{watched.provider}"'
    try:
        result = probe(watched, level, timeout=CANARY_TIMEOUT)
        knows_canaries = providers[watched.provider].knows_canaries
    except Exception as error:  # noqa: BLE001 - a storage or a database raises what it likes
        mend = f"Uploads may fail likewise. Delete what is left of it: a file and a record that begin with {PREFIX}."
        return fault(subject, error, mend)
    return _judge(subject, level, result, knows_canaries=knows_canaries)


def _judge(subject: str, level: CanaryLevel, result: ProbeReport, *, knows_canaries: bool) -> Finding:
    record = result.record
    seen = f" ({record.top_label} {record.top_confidence})" if record.top_label else ""
    text = f"{subject}: {record.status}{seen} in {result.milliseconds:.0f} ms"
    if record.error_code:
        return Finding(
            Soundness.FAULT, f"{text}, not judged: {record.error_message}", "See what is said of the provider above."
        )
    if record.is_open:
        return Finding(
            Soundness.FAULT,
            f"{text}, no verdict (reference {record.reference!r})",
            "Ask the provider what it waits for.",
        )
    if result.has_seen(level):
        if level == "high" and record.status == Status.PASSED:
            mend = f'The policy "{record.policy}" passes it ({record.reason}). Is that intended?'
            return Finding(Soundness.WARNING, text, mend)
        return Finding(Soundness.OK, text)
    if knows_canaries:
        mend = (
            f"The engine should have recognised it, and did not: it may miss anything. Reason given: {record.reason}."
        )
        return Finding(Soundness.FAULT, f"{text}, not recognised", mend)
    return Finding(
        Soundness.OK, f"{text}; this provider does not know canaries: they prove the path, not the judgement"
    )
