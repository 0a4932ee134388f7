"""A provider for tests: it answers what it was told to, in memory, and knows the canaries."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import ClassVar

from django.utils.crypto import constant_time_compare

from ..canary import CANARY_SIDE, detect_canary
from ..choices import RiskLevel
from ..decoding import decode
from ..exceptions import CallbackRefused, ImgmodConfigurationError, ProviderRefused, ProviderUnavailable
from ..results import Callback, FeedbackMessage, ImageSource, Submission, Verdict
from .base import BaseProvider

Answer = Verdict | Exception


@dataclass(slots=True)
class _Memory:
    script: deque[Answer] = field(default_factory=deque)
    calls: list[ImageSource] = field(default_factory=list)
    waiting: dict[str, Answer] = field(default_factory=dict)
    feedback: list[FeedbackMessage] = field(default_factory=list)
    feedback_errors: deque[Exception] = field(default_factory=deque)
    numbers: count[int] = field(default_factory=lambda: count(1))


class DummyProvider(BaseProvider):
    """
    Answer from a script, then with ``risk_level``; a canary is recognised wherever no script says otherwise.

    OPTIONS: ``risk_level`` (default "none"), ``is_asynchronous`` (accept first, answer when asked), ``delay``
    (seconds until an asynchronous answer is there to be asked for), ``is_down`` (refuse every request as unreachable).

    Everything is kept in this process: no other one can fetch an asynchronous answer. The script and the calls belong
    to the alias, not to the instance, so that a test can write the one and read the
    other from any thread. ``clear()`` empties both.
    """

    _memories: ClassVar[defaultdict[str, _Memory]] = defaultdict(_Memory)

    def __init__(
        self,
        alias: str,
        *,
        risk_level: str = RiskLevel.NONE,
        is_asynchronous: bool = False,
        delay: float = 0,
        is_down: bool = False,
        **options: object,
    ) -> None:
        super().__init__(alias, **options)
        if risk_level not in RiskLevel.values:
            raise ImgmodConfigurationError(
                f'Provider "{alias}": OPTIONS["risk_level"] must be one of {", ".join(RiskLevel.values)}, '
                f"not {risk_level!r}."
            )
        self.risk_level = RiskLevel(risk_level)
        self.is_asynchronous = is_asynchronous
        self.delay = delay
        self.is_down = is_down

    @property
    def service(self) -> str:
        return f"dummy/{self.risk_level}"

    @property
    def knows_canaries(self) -> bool:
        return True

    @classmethod
    def clear(cls) -> None:
        """Forget all scripts and calls."""
        cls._memories.clear()

    @property
    def calls(self) -> list[ImageSource]:
        """What was submitted under this alias, oldest first."""
        return self._memories[self.alias].calls

    def script(self, *answers: Answer | str) -> None:
        """Answer the next submissions so: a verdict, an exception to raise, or just a risk level."""
        self._memories[self.alias].script.extend(
            Verdict(risk_level=RiskLevel(answer)) if isinstance(answer, str) else answer for answer in answers
        )

    @property
    def feedback(self) -> list[FeedbackMessage]:
        """What was told back under this alias, oldest first."""
        return self._memories[self.alias].feedback

    def refuse_feedback(self, *errors: Exception) -> None:
        """Answer the next messages of feedback by raising these, one after the other."""
        self._memories[self.alias].feedback_errors.extend(errors)

    def submit(self, source: ImageSource) -> Submission:
        memory = self._memories[self.alias]
        memory.calls.append(source)
        if self.is_down:
            raise ProviderUnavailable(f'Provider "{self.alias}" is down, as its OPTIONS say.')
        answer = memory.script.popleft() if memory.script else self._answer_to(source)
        reference = f"{self.alias}-{next(memory.numbers)}"
        facts = source.facts
        size = (facts.width, facts.height) if facts.width and facts.height else None
        if self.is_asynchronous:
            memory.waiting[reference] = answer
            return Submission(reference=reference, poll_after=self.delay, size=size)
        return Submission(reference=reference, verdict=_given(answer), size=size)

    def fetch(self, reference: str) -> Verdict | None:
        answer = self._memories[self.alias].waiting.get(reference)
        return None if answer is None else _given(answer)

    def read_callback(self, fields: Mapping[str, str], seeds_of: Callable[[str], Sequence[str]]) -> Callback:
        """
        Take a callback of three fields: ``data_id``, ``seed`` as the submission was given it, and ``risk_level``.

        Without ``risk_level`` it says only that there is something to be fetched.
        """
        data_id, seed = fields.get("data_id", ""), fields.get("seed", "")
        if not any(constant_time_compare(seed, expected) for expected in seeds_of(data_id)):
            raise CallbackRefused(f"{self!r} was called back without the right seed.")
        word = fields.get("risk_level")
        if word is None:
            return Callback(data_id=data_id, verdict=None)
        level = RiskLevel(word) if word in RiskLevel.values else RiskLevel.UNKNOWN
        return Callback(data_id=data_id, verdict=Verdict(risk_level=level))

    def send_feedback(self, message: FeedbackMessage, read_source: Callable[[], ImageSource | None]) -> None:
        memory = self._memories[self.alias]
        memory.feedback.append(message)
        if memory.feedback_errors:
            raise memory.feedback_errors.popleft()

    def _answer_to(self, source: ImageSource) -> Verdict:
        try:
            canary = detect_canary(decode(source.content, file_name=source.file_name, side=CANARY_SIDE).image)
        except ProviderRefused:
            # A test may well upload bytes that are no picture: this provider judges by its script, not by its eyes.
            canary = None
        if canary is None:
            return Verdict(risk_level=self.risk_level)
        return Verdict(risk_level=canary.risk_level or self.risk_level, detections=(canary,))


def _given(answer: Answer) -> Verdict:
    if isinstance(answer, Exception):
        raise answer
    return answer
