"""What a site may say about its review desk: ``IMGMOD["REVIEW"]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from .exceptions import ImgmodConfigurationError

# As many as there are keys for them, and as long as a decision has room for.
MAX_REASONS: Final = 9
MAX_CODE_LENGTH: Final = 50


@dataclass(frozen=True, slots=True)
class Reason:
    """One line of the site's own short list: why an image is blocked."""

    code: str
    label: Any
    """A string, translated lazily perhaps."""

    needs_comment: bool = False


DEFAULT_REASONS: Final = (
    Reason("sexual", _("Nudity or sexual content")),
    Reason("violence", _("Violence or gore")),
    Reason("hate", _("Hate or harassment")),
    Reason("self_harm", _("Self-harm")),
    Reason("illegal", _("Drugs, weapons, illegal goods")),
    Reason("advertising", _("Advertising or spam")),
    Reason("privacy", _("Shows somebody against their will")),
    Reason("quality", _("Not what belongs here")),
    Reason("other", _("Something else"), needs_comment=True),
)


# Advertising, codes and logos as our providers name them; not "ad_*", since advertising may be for pornography.
UNPROTECTED_LABELS: Final = (
    "ad_ad",
    "ad_npx",
    "ad_spam",
    "ad_qrcode",
    "ad_programCode",
    "pt_*",
    "qrcode*",
    "barcode*",
    "logo*",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Protection:
    """What stands between a moderator and a picture at rest. Independent of each other."""

    blur: bool = True
    grey: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class ReviewOptions:
    """The review desk as a site wants it."""

    reasons: tuple[Reason, ...] = DEFAULT_REASONS
    protection: Protection = field(default_factory=Protection)
    unprotected_labels: tuple[str, ...] = UNPROTECTED_LABELS
    """Patterns: a picture with no other labels is shown as it is."""

    claim_seconds: int = 120
    """How long a card stays with a moderator whose browser is not heard of any more."""

    may_decide_own: bool = False
    """Whether people may decide about their own uploads."""

    break_after: int | None = 100
    """After how many revealed pictures a day a break is proposed, and again after as many; None for never."""

    def reason(self, code: str) -> Reason | None:
        return next((reason for reason in self.reasons if reason.code == code), None)

    def label_of(self, code: str) -> str:
        """Return the words of a reason; of one that is no longer in the list, its code."""
        reason = self.reason(code)
        return code if reason is None else str(reason.label)

    def is_unprotected(self, labels: Sequence[str]) -> bool:
        """Whether labels are known and every one of them is harmless to look at."""
        return bool(labels) and all(
            any(fnmatchcase(label, pattern) for pattern in self.unprotected_labels) for label in labels
        )


def parse_review(given: Mapping[str, Any]) -> ReviewOptions:
    """Return the options that a site wrote. Raises ``ImgmodConfigurationError`` for what cannot be used."""
    if unknown := [key for key in given if key not in _PARSERS]:
        raise ImgmodConfigurationError(
            f'IMGMOD["REVIEW"] has unknown keys: {", ".join(map(repr, unknown))}. Known are: {", ".join(_PARSERS)}.'
        )
    return ReviewOptions(**{_PARSERS[key][0]: _PARSERS[key][1](key, value) for key, value in given.items()})


def _reasons(key: str, value: Any) -> tuple[Reason, ...]:
    if not isinstance(value, Mapping) or not 0 < len(value) <= MAX_REASONS:
        raise _wrong(key, f'a dict of 1 to {MAX_REASONS} reasons, {{"code": "words"}}', value)
    return tuple(_reason(key, code, entry) for code, entry in value.items())


def _reason(key: str, code: Any, entry: Any) -> Reason:
    if not isinstance(code, str) or not 0 < len(code) <= MAX_CODE_LENGTH:
        raise _wrong(key, f"a dict whose keys are codes of at most {MAX_CODE_LENGTH} characters", code)
    given = entry if isinstance(entry, Mapping) else {"label": entry}
    label, comment = given.get("label"), given.get("comment", False)
    is_label = isinstance(label, Promise) or (isinstance(label, str) and label != "")
    if not is_label or not isinstance(comment, bool) or given.keys() - {"label", "comment"}:
        raise _wrong(key, '{"code": "words"} or {"code": {"label": "words", "comment": True}}', entry)
    return Reason(code, label, needs_comment=comment)


def _protection(key: str, value: Any) -> Protection:
    known = {"blur", "grey"}
    if not isinstance(value, Mapping) or value.keys() - known or not all(isinstance(on, bool) for on in value.values()):
        raise _wrong(key, '{"blur": True or False, "grey": True or False}', value)
    return Protection(**value)


def _patterns(key: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(one, str) for one in value):
        raise _wrong(key, 'a list of label patterns, such as ["ad_*"]', value)
    return tuple(value)


def _seconds(key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 30 <= value <= 3600:
        raise _wrong(key, "a number of seconds from 30 to 3600", value)
    return value


def _flag(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise _wrong(key, "True or False", value)
    return value


def _count(key: str, value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise _wrong(key, "a number of pictures, or None", value)
    return value


def _wrong(key: str, meaning: str, value: Any) -> ImgmodConfigurationError:
    return ImgmodConfigurationError(f'IMGMOD["REVIEW"]["{key}"] must be {meaning}, not {value!r}.')


# What each key sets, and how it is read.
_PARSERS: Final[Mapping[str, tuple[str, Any]]] = MappingProxyType(
    {
        "REASONS": ("reasons", _reasons),
        "PROTECTION": ("protection", _protection),
        "UNPROTECTED_LABELS": ("unprotected_labels", _patterns),
        "CLAIM_SECONDS": ("claim_seconds", _seconds),
        "MAY_DECIDE_OWN": ("may_decide_own", _flag),
        "BREAK_AFTER": ("break_after", _count),
    }
)
