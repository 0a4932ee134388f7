"""The provider of a host project's tests: it answers what the test has said, and reaches nobody."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ..exceptions import ProviderUnavailable
from ..providers.dummy import DummyProvider
from ..results import Callback, FeedbackMessage, ImageSource, Submission, Verdict

# In seconds. No test waits for it.
POLL_AFTER: Final = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider is to answer to one submission."""

    content: Verdict | Exception
    """An exception is raised."""

    is_late: bool = False
    """Whether the submission is accepted first, and answered later."""

    def __str__(self) -> str:
        if isinstance(self.content, Verdict):
            return f"{self.content.risk_level} risk"
        return type(self.content).__name__


@dataclass(slots=True)
class Script:
    """What is to be answered and what was asked, the same for all providers of a site."""

    answers: deque[Answer] = field(default_factory=deque)
    """What nobody has asked for yet, the next one first."""

    submissions: list[ImageSource] = field(default_factory=list)
    feedback: list[FeedbackMessage] = field(default_factory=list)
    is_down: bool = False

    verdicts: dict[str, Verdict] = field(default_factory=dict)
    """What submissions led, or are to lead to, by ``data_id``, which is the reference as well."""

    held: set[str] = field(default_factory=set)
    """The submissions whose verdict is not there to be asked for yet."""


class ScriptedProvider(DummyProvider):
    """Answer the next of the script's answers; without one a canary is recognised, and nothing is seen elsewhere."""

    def __init__(self, alias: str, script: Script) -> None:
        super().__init__(alias)
        self._script = script

    def submit(self, source: ImageSource) -> Submission:
        script = self._script
        script.submissions.append(source)
        self._require_up()
        answer = script.answers.popleft() if script.answers else Answer(self._answer_to(source))
        if isinstance(answer.content, Exception):
            raise answer.content
        script.verdicts[source.data_id] = answer.content
        if answer.is_late:
            script.held.add(source.data_id)
            return Submission(reference=source.data_id, poll_after=POLL_AFTER)
        return Submission(reference=source.data_id, verdict=answer.content)

    def fetch(self, reference: str) -> Verdict | None:
        self._require_up()
        return None if reference in self._script.held else self._script.verdicts.get(reference)

    def read_callback(self, fields: Mapping[str, str], seeds_of: Callable[[str], Sequence[str]]) -> Callback:
        """Take a callback of two fields, ``data_id`` and ``seed``; the verdict is the script's."""
        callback = super().read_callback(fields, seeds_of)
        return replace(callback, verdict=self._script.verdicts.get(callback.data_id))

    def send_feedback(self, message: FeedbackMessage, read_source: Callable[[], ImageSource | None]) -> None:
        self._require_up()
        self._script.feedback.append(message)

    def _require_up(self) -> None:
        if self._script.is_down:
            raise ProviderUnavailable(f'Provider "{self.alias}" is down, as the test says.')
