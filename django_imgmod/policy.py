"""
From verdict to outcome: pure, and the same for every provider.

Each detection gets an outcome and the worst one wins. The most specific matching label rule decides alone about a
detection; without one, its own risk level does, or the verdict's where it has none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Final

from .choices import Outcome, PolicyMode, RiskLevel
from .exceptions import ImgmodConfigurationError
from .results import Detection, Verdict

IGNORE: Final = "ignore"

_FROM_HARMLESS_TO_GRAVE: Final = (Outcome.PASS, Outcome.REVIEW, Outcome.BLOCK)

DEFAULT_RISK: Final[Mapping[RiskLevel, Outcome]] = MappingProxyType(
    {
        RiskLevel.HIGH: Outcome.BLOCK,
        RiskLevel.MEDIUM: Outcome.REVIEW,
        RiskLevel.LOW: Outcome.PASS,
        RiskLevel.NONE: Outcome.PASS,
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelRule:
    """What to do with the labels that match ``pattern``."""

    pattern: str
    is_ignored: bool = False
    """Drop the detection: it has no say."""
    review: float | None = None
    """Review from this confidence on, 0 to 100."""
    block: float | None = None
    """Block from this confidence on, 0 to 100."""

    def outcome_for(self, detection: Detection) -> tuple[Outcome, str]:
        """Return the outcome and the words for it. A missing confidence counts as 100: unknown is not low."""
        confidence = 100.0 if detection.confidence is None else detection.confidence
        for outcome, threshold in ((Outcome.BLOCK, self.block), (Outcome.REVIEW, self.review)):
            if threshold is not None and confidence >= threshold:
                return outcome, f'rule "{self.pattern}" ({outcome} from {threshold:g}): {detection}'
        return Outcome.PASS, f'rule "{self.pattern}" (below its thresholds): {detection}'


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a policy makes of a verdict: the outcome, and the reason in words."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """The rule from verdict to outcome of one or more watched fields."""

    name: str = "default"
    mode: PolicyMode = PolicyMode.ENFORCE
    risk: Mapping[RiskLevel, Outcome] = field(default_factory=lambda: DEFAULT_RISK)
    rules: tuple[LabelRule, ...] = ()
    on_error: Outcome = Outcome.REVIEW

    @property
    def is_shadow(self) -> bool:
        return self.mode == PolicyMode.SHADOW

    def judge(self, verdict: Verdict) -> Ruling:
        """
        Return the outcome for a verdict, and why.

        A level that is not one of the four known ones is at least ``review``, whatever the settings say.
        """
        rulings: list[Ruling] = []
        for detection in verdict.detections:
            rule = self._rule_for(detection.label)
            if rule is None:
                level = _level_of(detection, verdict)
                rulings.append(Ruling(self._outcome_of(level), f"{level} risk: {detection}"))
            elif not rule.is_ignored:
                rulings.append(Ruling(*rule.outcome_for(detection)))
        if not _is_explained(verdict):
            rulings.append(self._ruling_of_level(verdict))
        if not rulings:
            ignored = ", ".join(map(str, verdict.detections))
            return Ruling(self._outcome_of(RiskLevel.NONE), f"ignored: {ignored}")
        return max(rulings, key=lambda ruling: _FROM_HARMLESS_TO_GRAVE.index(ruling.outcome))

    def _rule_for(self, label: str) -> LabelRule | None:
        """The exact name first, then the longest pattern that matches."""
        matching = [rule for rule in self.rules if rule.pattern == label or fnmatchcase(label, rule.pattern)]
        return max(matching, key=lambda rule: (rule.pattern == label, len(rule.pattern)), default=None)

    def _outcome_of(self, level: RiskLevel) -> Outcome:
        return self.risk.get(level, Outcome.REVIEW)

    def _ruling_of_level(self, verdict: Verdict) -> Ruling:
        if verdict.risk_level == RiskLevel.NONE:
            looked_for = f" (looked for: {', '.join(verdict.evaluated)})" if verdict.evaluated else ""
            reason = f"no risk found{looked_for}"
        else:
            reason = f"{verdict.risk_level} risk, without a label of its own"
        return Ruling(self._outcome_of(verdict.risk_level), reason)


def _level_of(detection: Detection, verdict: Verdict) -> RiskLevel:
    return verdict.risk_level if detection.risk_level is None else detection.risk_level


def _is_explained(verdict: Verdict) -> bool:
    """
    Whether some detection is as grave as the whole image is said to be.

    Where none is, the image's own level counts as well: a provider that calls the whole worse than each of its parts
    is believed, and so is one that uses a word we do not know.
    """
    levels = [_level_of(detection, verdict).gravity for detection in verdict.detections]
    return verdict.risk_level != RiskLevel.UNKNOWN and max(levels, default=-1) >= verdict.risk_level.gravity


_KEYS: Final = ("mode", "risk", "labels", "on_error")


def parse_policy(name: str, options: object) -> Policy:
    """
    Return the policy that one entry of ``IMGMOD["POLICIES"]`` describes.

    Raises ``ImgmodConfigurationError`` naming the policy, the key and what is accepted there.
    """
    if not isinstance(options, Mapping):
        raise ImgmodConfigurationError(f'Policy "{name}" must be a dict, not {type(options).__name__}.')
    if unknown := [key for key in options if key not in _KEYS]:
        raise ImgmodConfigurationError(
            f'Policy "{name}" has unknown keys: {", ".join(map(repr, unknown))}. Known are: {", ".join(_KEYS)}.'
        )
    return Policy(
        name=name,
        mode=_member(
            PolicyMode,
            options.get("mode", PolicyMode.ENFORCE),
            f'"mode" of policy "{name}"',
            PolicyMode.values,
        ),
        risk=_parse_risk(name, options.get("risk", {})),
        rules=tuple(_parse_rules(name, options.get("labels", {}))),
        # "pass" is not to be had: an image must never pass because something failed.
        on_error=_member(
            Outcome,
            options.get("on_error", Outcome.REVIEW),
            f'"on_error" of policy "{name}"',
            (Outcome.REVIEW.value, Outcome.BLOCK.value),
        ),
    )


def _member(choices: Any, value: object, where: str, allowed: Any) -> Any:
    if value not in allowed:
        raise ImgmodConfigurationError(f"{where} must be one of {', '.join(allowed)}, not {value!r}.")
    return choices(value)


def _parse_risk(name: str, options: object) -> Mapping[RiskLevel, Outcome]:
    where = f'"risk" of policy "{name}"'
    if not isinstance(options, Mapping):
        raise ImgmodConfigurationError(f"{where} must be a dict, not {type(options).__name__}.")
    levels = [level.value for level in DEFAULT_RISK]
    given = {
        _member(RiskLevel, level, f"A key of {where}", levels): _member(
            Outcome, outcome, f"{level!r} in {where}", Outcome.values
        )
        for level, outcome in options.items()
    }
    return MappingProxyType({**DEFAULT_RISK, **given})


def _parse_rules(name: str, options: object) -> Iterator[LabelRule]:
    if not isinstance(options, Mapping):
        raise ImgmodConfigurationError(f'"labels" of policy "{name}" must be a dict, not {type(options).__name__}.')
    for pattern, rule in options.items():
        where = f'Label rule {pattern!r} of policy "{name}"'
        if not isinstance(pattern, str) or not pattern:
            raise ImgmodConfigurationError(f"{where}: the pattern must be a non-empty string.")
        if rule == IGNORE:
            yield LabelRule(pattern=pattern, is_ignored=True)
        elif isinstance(rule, Mapping) and rule and set(rule) <= {"review", "block"}:
            thresholds = {key: _threshold(value, where) for key, value in rule.items()}
            if thresholds.get("review", 0) > thresholds.get("block", 100):
                raise ImgmodConfigurationError(f'{where}: "review" must not begin above "block".')
            yield LabelRule(pattern=pattern, review=thresholds.get("review"), block=thresholds.get("block"))
        else:
            raise ImgmodConfigurationError(
                f'{where} must be "{IGNORE}" or a dict with "review" and "block" thresholds (0 to 100), not {rule!r}.'
            )


def _threshold(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
        raise ImgmodConfigurationError(f"{where}: a threshold is a number from 0 to 100, not {value!r}.")
    return float(value)
