"""How an image stands, in a few words for somebody who does not moderate. File names are untrusted text."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from typing import Any, Final

from django.db import models
from django.utils.translation import gettext_lazy as _

from ...choices import UNDECIDED, Status


class Standing(models.TextChoices):
    """What an editor tells images apart by. What is public is that first, whatever its status."""

    PUBLIC = "public", _("Public")
    CHECKING = "checking", _("Being checked")
    HELD = "held", _("Held")
    BLOCKED = "blocked", _("Blocked")
    UNCHECKED = "unchecked", _("Not checked")


STATUSES: Final[Mapping[Standing, tuple[Status, ...]]] = {
    Standing.CHECKING: UNDECIDED,
    Standing.HELD: (Status.IN_REVIEW,),
    Standing.BLOCKED: (Status.BLOCKED,),
}
"""The statuses of images that are not public."""


def standing_of(status: Status | None, *, is_public: bool) -> Standing:
    """Return how an image stands; it has no status where nothing is recorded of it."""
    if is_public:
        return Standing.PUBLIC
    return next((standing for standing, statuses in STATUSES.items() if status in statuses), Standing.UNCHECKED)


def words_of(status: Status | None, *, is_public: bool) -> Any:
    """Return the same as a list says it: that something is public is not yet to say that it was checked."""
    if is_public and status is None:
        return _("Public, not checked")
    if is_public and status in STATUSES[Standing.CHECKING]:
        return _("Public, being checked")
    return standing_of(status, is_public=is_public).label


def short_name(file_name: str) -> str:
    """Return the name of a file without its folders."""
    return posixpath.basename(file_name) or file_name


def quotable(file_name: str) -> str:
    """
    Return the same to stand in a sentence, in isolation.

    Whatever direction its letters have, or pretend to have, the words around it keep theirs. Elsewhere ``<bdi>`` does.
    """
    return f"\N{FIRST STRONG ISOLATE}{short_name(file_name)}\N{POP DIRECTIONAL ISOLATE}"
