"""What ``imgmod_doctor`` has to say: one line each."""

from __future__ import annotations

from dataclasses import dataclass

from ..exceptions import ImgmodConfigurationError, ImgmodError
from ..redaction import in_words
from ..results import Soundness


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report, and what to do about it."""

    level: Soundness
    text: str
    mend: str = ""


def fault(subject: str, error: Exception, mend: str) -> Finding:
    """Return what an error says of a subject; one that is not ours is named."""
    is_ours = isinstance(error, ImgmodError | ImgmodConfigurationError)
    text = f"{subject}: {error}" if is_ours else f"{subject}: {in_words(error)}"
    return Finding(Soundness.FAULT, text, mend)
