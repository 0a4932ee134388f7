"""What a detector is, and how the configured ones are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, runtime_checkable

from django.utils.module_loading import import_string
from PIL import Image

from ...exceptions import ImgmodConfigurationError
from ...results import Detection
from .options import EngineOptions

DEFAULT_DETECTORS: Final = (
    "django_imgmod.providers.local.sexual.SexualContentDetector",
    "django_imgmod.providers.local.qr.QRCodeDetector",
    "django_imgmod.providers.local.canaries.CanaryDetector",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Findings:
    """What one detector saw in one picture."""

    detections: Sequence[Detection] = ()

    raw: Mapping[str, Any] = field(default_factory=dict)
    """What it measured, as bounded JSON values; kept with the verdict also where nothing was detected."""


@runtime_checkable
class Detector(Protocol):
    """
    Looks for one kind of thing.

    OPTIONS name detectors by dotted path, each a class or function that is called with ``EngineOptions``. A detector
    belongs to one thread. Packages that are slow to load are to be loaded at the first ``detect``.
    """

    name: str
    """One word, unlike that of the other detectors."""

    evaluates: tuple[str, ...]
    """What it looks for, in words. What no detector looks for is reported as not evaluated."""

    preferred_side: int
    """Pixels. The picture's shorter side is between this and twice this, or less where the original's is."""

    @property
    def version(self) -> str:
        """Another text whenever the same picture could be judged otherwise: other weights, other thresholds."""

    def detect(self, picture: Image.Image) -> Findings:
        """
        Return what is seen in an upright RGB picture, which must not be changed.

        Whatever it raises fails the judgement as a whole: a picture that one detector could not look at is not clean.
        """


def load_detectors(paths: object, options: EngineOptions) -> tuple[Detector, ...]:
    """Make the detectors that OPTIONS name. Raises ``ImgmodConfigurationError`` naming the one that is wrong."""
    if isinstance(paths, str) or not isinstance(paths, Sequence) or not paths:
        raise ImgmodConfigurationError(f'OPTIONS["detectors"] must be a list of dotted paths, not {paths!r}.')
    detectors = tuple(_load(path, options) for path in paths)
    names = [detector.name for detector in detectors]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise ImgmodConfigurationError(f'OPTIONS["detectors"]: several are named {", ".join(map(repr, repeated))}.')
    return detectors


def _load(path: object, options: EngineOptions) -> Detector:
    try:
        detector = import_string(str(path))(options)
    except Exception as error:
        raise ImgmodConfigurationError(f'OPTIONS["detectors"]: {path!r} cannot be made: {error}') from error
    if not isinstance(detector, Detector) or isinstance(detector.evaluates, str):
        raise ImgmodConfigurationError(
            f'OPTIONS["detectors"]: {path!r} makes no detector. One has a name, a tuple of what it evaluates, '
            "a preferred_side, a version and a method detect (see docs/engine.md)."
        )
    return detector
