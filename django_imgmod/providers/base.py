"""What a provider is: subclass ``BaseProvider`` to add one."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

from ..exceptions import ImgmodConfigurationError, UnsupportedOperation
from ..results import FeedbackMessage, ImageSource, Submission, Verdict


class BaseProvider(ABC):
    """
    A class that can judge an image.

    Made from an entry of ``IMGMOD["PROVIDERS"]``: OPTIONS arrive as keyword arguments. A subclass names its own in
    its ``__init__`` and passes the rest on, so that a misspelt option is an error and not a silent default.

    Instances live as long as their thread. What is costly to make (a session, a model) is shared between them.
    """

    max_bytes: int = 20 * 1024 * 1024
    """Larger files are not even read."""

    def __init__(self, alias: str, *, qps: Any = None, **options: object) -> None:
        if options:
            raise ImgmodConfigurationError(
                f'Provider "{alias}" ({type(self).__name__}) does not know the OPTIONS '
                f"{', '.join(map(repr, sorted(options)))}."
            )
        is_number = isinstance(qps, int | float) and not isinstance(qps, bool)
        if qps is not None and not (is_number and 0 < qps < math.inf):
            raise ImgmodConfigurationError(
                f'OPTIONS["qps"] of provider "{alias}" must be a number above 0, not {qps!r}.'
            )
        self.alias = alias
        self.qps: float | None = qps
        """How many calls may begin within any second, over all processes of the site; None for as many as come."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.alias!r}>"

    @property
    def knows_canaries(self) -> bool:
        """Whether it recognises the canaries, so that they test its judgement and not only the way to it."""
        return False

    @property
    def service(self) -> str:
        """
        What exactly judges, at most 100 characters; kept on the record.

        A verdict is reused for the same bytes only under the same service, so it must change whenever the same bytes
        could get another verdict: another model, other thresholds.
        """
        return ""

    @abstractmethod
    def submit(self, source: ImageSource) -> Submission:
        """
        Ask for a judgement.

        Called outside any transaction. Must return within its own timeout. Raises ``ProviderError``: a retryable one
        is tried again, any other ends in the policy's ``on_error``. Whatever else it raises is recorded and tried
        again as well.
        """

    def fetch(self, reference: str) -> Verdict | None:
        """Return the verdict of an earlier submission, or None while there is none. Raises as ``submit`` does."""
        raise UnsupportedOperation(f"{self!r} cannot be asked for a result.")

    def send_feedback(self, message: FeedbackMessage) -> None:
        """
        Tell the provider what a person decided about an image that it judged.

        May be called again for the same decision after a crash. Raises as ``submit`` does; a failure that is not
        retryable is kept as the provider's refusal, in its words.
        """
        raise UnsupportedOperation(f"{self!r} takes no feedback.")

    def diagnose(self) -> str:
        """
        Try whether the provider can work, without judging an image, and say in one line what it is.

        Called by ``imgmod_doctor``. Raises ``ImgmodError`` or ``ImgmodConfigurationError`` with the mend.
        """
        return type(self).__name__
