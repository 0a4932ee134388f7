"""What a provider is: subclass ``BaseProvider`` to add one."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ..exceptions import CallbackRefused, ImgmodConfigurationError, ProviderError, UnsupportedOperation
from ..results import (
    Callback,
    FeedbackMessage,
    ImageSource,
    LiveAdvice,
    LiveFinding,
    Submission,
    Verdict,
)


class BaseProvider(ABC):
    """
    A class that can judge an image.

    Made from an entry of ``IMGMOD["PROVIDERS"]``: OPTIONS arrive as keyword arguments. A subclass names its own in
    its ``__init__`` and passes the rest on, so that a misspelt option is an error and not a silent default.

    Instances live as long as their thread. What is costly to make (a session, a model) is shared between them.
    """

    max_bytes: int = 20 * 1024 * 1024
    """Larger files are not even read."""

    wants_url: bool = False
    """Whether to give it the URL of the stored file, which a storage may have to sign."""

    needs_stored_file: bool = False
    """Whether it is told where a file lies, and can judge none that is not stored yet."""

    is_asynchronous: bool = False
    """Whether it answers later."""

    submissions_per_call: int = 1
    """How many images one call of ``submit_many`` may hold."""

    fetches_per_call: int = 1
    """How many references one call of ``fetch_many`` may hold."""

    takes_turns: bool = False
    """
    Whether it calls ``wait_for_turn`` before each request that its rate is about. For any other, a call of ``submit``,
    ``fetch`` or ``send_feedback`` is one request, sent at once.
    """

    _next_turn: Callable[[float | None], None] | None = None
    _before_sending: Callable[[], None] | None = None

    def __init__(self, alias: str, *, qps: Any = None, feedback_provider: Any = None, **options: object) -> None:
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
        """How many requests may begin within any second, over all processes of the site; None for as many as come."""
        if feedback_provider is not None and not isinstance(feedback_provider, str):
            raise ImgmodConfigurationError(
                f'OPTIONS["feedback_provider"] of provider "{alias}" must be the alias of a provider, '
                f"not {feedback_provider!r}."
            )
        self.feedback_provider: str = feedback_provider or alias
        """The alias of the provider that is told what people decided about this one's verdicts."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.alias!r}>"

    def wait_for_turn(self, *, at_most: float | None = None) -> None:
        """
        Return when one request may be sent by ``qps``, and by ``at_most`` requests a second of its own kind.

        Outside the calls that the services make, at once. What it raises where the turn is too far away is for the
        services: nothing may catch it.
        """
        if self._next_turn is not None:
            self._next_turn(at_most)

    @contextmanager
    def given_turns(
        self, next_turn: Callable[[float | None], None], before_sending: Callable[[], None]
    ) -> Iterator[None]:
        """
        Let ``wait_for_turn`` wait by a function of the services, which is given ``at_most``.

        The other one, called as late as may be before a request leaves, sees to it that its turn is not over.
        """
        self._next_turn, self._before_sending = next_turn, before_sending
        try:
            yield
        finally:
            self._next_turn = self._before_sending = None

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

    def submit_many(self, sources: Sequence[ImageSource]) -> list[Submission | ProviderError]:
        """
        Ask for the judgement of several images in one request; return for each what became of it, in their order.

        At most ``submissions_per_call``. Raises as ``submit`` does where the request as a whole failed.
        """
        (source,) = sources
        return [self.submit(source)]

    def fetch_many(self, references: Sequence[str]) -> list[Verdict | ProviderError | None]:
        """
        Ask for the verdicts of several earlier submissions in one request; return them in their order.

        At most ``fetches_per_call``. Raises as ``fetch`` does where the request as a whole failed.
        """
        (reference,) = references
        return [self.fetch(reference)]

    def read_callback(self, fields: Mapping[str, str], seeds_of: Callable[[str], Sequence[str]]) -> Callback:
        """
        Return what the form fields of a callback say, once they were found authentic.

        ``seeds_of`` gives the seeds that are right for a ``data_id``. Nothing is asked of anyone, neither the provider
        nor the database. Raises ``CallbackRefused`` for whatever is not authentic, of whatever shape it is.
        """
        raise CallbackRefused(f"{self!r} does not call back.")

    def send_feedback(self, message: FeedbackMessage, read_source: Callable[[], ImageSource | None]) -> None:
        """
        Tell the provider what a person decided about an image that it judged.

        ``read_source`` gives the bytes that were judged, or None where they are not there any more; it may raise
        ``ProviderError``. The reference is empty where another provider judged.

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

    def live_findings(self) -> Sequence[LiveFinding]:
        """
        Ask the service itself whether the settings are right, and return what was found, without judging an image.

        Called by ``imgmod_doctor --live`` in place of ``diagnose``. Nothing that is charged for. Raises nothing; empty
        where there is no service that could be asked.
        """
        return ()

    def live_advice(self) -> LiveAdvice:
        """Return what whoever reads of a trial of this provider should know."""
        return LiveAdvice()

    def callback_for(self, data_id: str, seed: str) -> Mapping[str, str]:
        """
        Return the form fields of a callback without a verdict, as the provider itself would send and sign them.

        Raises ``UnsupportedOperation`` where it does not call back, ``ImgmodConfigurationError`` where a setting that
        callbacks need is missing.
        """
        raise UnsupportedOperation(f"{self!r} does not call back.")
