"""What editors may learn of the images they uploaded, as a site says it in ``IMGMOD["EDITORS"]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from .exceptions import ImgmodConfigurationError

MIN_LINK_SECONDS: Final = 60
DEFAULT_LINK_SECONDS: Final = 7 * 24 * 60 * 60
MAX_LINK_SECONDS: Final = 365 * 24 * 60 * 60


@dataclass(frozen=True, kw_only=True, slots=True)
class EditorOptions:
    """What a site tells its editors."""

    see_labels: bool = False
    """Whether they see what was detected, and how sure the provider is. It also tells how to get round it."""

    link_seconds: int = DEFAULT_LINK_SECONDS
    """How long a signed link to the status of an upload can be followed."""


def parse_editors(given: Mapping[str, Any]) -> EditorOptions:
    """Return the options that a site wrote. Raises ``ImgmodConfigurationError`` for what cannot be used."""
    known = ("SEE_LABELS", "LINK_SECONDS")
    if unknown := [key for key in given if key not in known]:
        raise ImgmodConfigurationError(
            f'IMGMOD["EDITORS"] has unknown keys: {", ".join(map(repr, unknown))}. Known are: {", ".join(known)}.'
        )
    see_labels, seconds = given.get("SEE_LABELS", False), given.get("LINK_SECONDS", DEFAULT_LINK_SECONDS)
    if not isinstance(see_labels, bool):
        raise _wrong("SEE_LABELS", "True or False", see_labels)
    if isinstance(seconds, bool) or not isinstance(seconds, int) or not MIN_LINK_SECONDS <= seconds <= MAX_LINK_SECONDS:
        raise _wrong("LINK_SECONDS", f"a number of seconds from {MIN_LINK_SECONDS} to {MAX_LINK_SECONDS}", seconds)
    return EditorOptions(see_labels=see_labels, link_seconds=seconds)


def _wrong(key: str, meaning: str, value: Any) -> ImgmodConfigurationError:
    return ImgmodConfigurationError(f'IMGMOD["EDITORS"]["{key}"] must be {meaning}, not {value!r}.')
