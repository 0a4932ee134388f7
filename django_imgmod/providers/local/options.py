"""What the OPTIONS of the embedded engine may say, checked when the provider is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from ...choices import RiskLevel
from ...exceptions import ImgmodConfigurationError


@dataclass(frozen=True, kw_only=True, slots=True)
class Thresholds:
    """The confidence, 0 to 100, from which on sexual content is of a risk level. Why these: docs/engine.md."""

    high: float = 80
    medium: float = 35
    low: float = 20

    def level_of(self, confidence: float) -> RiskLevel:
        """Return the risk level of a confidence; ``NONE`` below all thresholds."""
        if confidence >= self.high:
            return RiskLevel.HIGH
        if confidence >= self.medium:
            return RiskLevel.MEDIUM
        return RiskLevel.LOW if confidence >= self.low else RiskLevel.NONE


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineOptions:
    """What every detector is made with."""

    thresholds: Thresholds = Thresholds()

    threads: int = 1
    """How many threads one inference may use. Several workers serve a busy site better than several threads."""


def parse_thresholds(given: object) -> Thresholds:
    """Return the thresholds that a site gave, the defaults where it gave none; raises naming what is wrong."""
    names = [field.name for field in fields(Thresholds)]
    if not isinstance(given, Mapping):
        raise ImgmodConfigurationError(f'OPTIONS["thresholds"] must be a dict, not {given!r}.')
    if unknown := sorted(map(repr, set(given) - set(names))):
        raise ImgmodConfigurationError(
            f'OPTIONS["thresholds"] has unknown keys: {", ".join(unknown)}. Known are: {", ".join(names)}.'
        )
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 100:
            raise ImgmodConfigurationError(
                f'OPTIONS["thresholds"]["{name}"] must be a number from 0 to 100, not {value!r}.'
            )
    thresholds = Thresholds(**given)
    if not thresholds.high >= thresholds.medium >= thresholds.low:
        raise ImgmodConfigurationError(
            f'OPTIONS["thresholds"] must descend from high over medium to low; they are {thresholds.high}, '
            f"{thresholds.medium} and {thresholds.low} (what is not given has its default)."
        )
    return thresholds


def parse_count(name: str, given: object) -> int:
    """Return a whole number from 1 on; raises naming the option."""
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise ImgmodConfigurationError(f'OPTIONS["{name}"] must be a whole number from 1 on, not {given!r}.')
    return given
