"""How a moderator wants the review desk, and what stands between them and a picture at rest."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

from django.db import router
from django.db.models import QuerySet

from ...choices import RiskLevel
from ...conf import imgmod_settings
from ...exceptions import ImgmodConfigurationError
from ...models import DetectedLabel, ModerationRecord, ReviewPreference
from ...reviewing import Protection
from .cards import MAX_LABELS

logger = logging.getLogger("django_imgmod")

GRID_SIZES: Final = (24, 48, 96)


@dataclass(frozen=True, kw_only=True, slots=True)
class Preferences:
    """The choices of one person, each as it is where nothing can be read."""

    blur: bool = True
    grey: bool = True
    is_always_protected: bool = True
    """Whether pictures with harmless labels alone start protected too."""

    has_single_keys: bool = True
    grid_size: int = GRID_SIZES[0]
    """How many pictures a page of the grid shows."""


# What must hold of a stored choice, beyond its type.
_ALLOWED: Final[Mapping[str, Collection[Any]]] = {
    **{field.name: (True, False) for field in fields(Preferences)},
    "grid_size": GRID_SIZES,
}


def preferences_of(user: Any) -> Preferences:
    """
    Return what a person chose or, where nothing was chosen yet, what the site did; one query.

    A choice that cannot be read, the site's included, counts as the protected one. Nothing is raised for it.
    """
    try:
        row = _rows(user).first()
    except ValueError:
        logger.warning("preferences=unreadable user=%s", user.pk)
        return Preferences()
    return site_preferences() if row is None else _read(row.choices)


def site_preferences() -> Preferences:
    """Return what the site chose for whoever has not chosen."""
    try:
        protection = imgmod_settings.review.protection
    except ImgmodConfigurationError:
        return Preferences()
    return Preferences(blur=protection.blur, grey=protection.grey, is_always_protected=False)


def save_preferences(user: Any, preferences: Preferences | None) -> None:
    """Store a person's choices; None gives them back to the site."""
    if preferences is None:
        _rows(user).delete()
    else:
        _rows(user).update_or_create(user_id=user.pk, defaults={"choices": asdict(preferences)})


def veil_for(record: ModerationRecord, labels: Collection[DetectedLabel], preferences: Preferences) -> Protection:
    """
    Return what hides a record's picture until its moderator asks for it.

    ``labels`` are all that were detected, or ``MAX_LABELS`` of them, which count as too many to be sure. Nothing hides
    what has harmless labels alone, as the site lists them, unless
    the person wants that too. What nobody could judge, or with words that nobody knows, is not harmless.
    """
    if not preferences.is_always_protected and _is_harmless(record, labels):
        return Protection(blur=False, grey=False)
    return Protection(blur=preferences.blur, grey=preferences.grey)


def _rows(user: Any) -> QuerySet[ReviewPreference]:
    # Where they are written: what was chosen a moment ago must be read.
    return ReviewPreference.objects.using(router.db_for_write(ReviewPreference)).filter(user_id=user.pk)


def _is_harmless(record: ModerationRecord, labels: Collection[DetectedLabel]) -> bool:
    levels = {record.risk_level, *(label.risk_level for label in labels)}
    if not record.risk_level or RiskLevel.UNKNOWN in levels:
        return False
    if len(labels) >= MAX_LABELS:
        # There may be more, and another among them.
        return False
    try:
        return imgmod_settings.review.is_unprotected([label.label for label in labels])
    except ImgmodConfigurationError:
        return False


def _read(stored: Any) -> Preferences:
    given = stored if isinstance(stored, Mapping) else {}
    readable = {
        name: given[name]
        for name, allowed in _ALLOWED.items()
        # By type too: 1 is no True.
        if any(type(given.get(name)) is type(value) and given[name] == value for value in allowed)
    }
    return Preferences(**readable)
