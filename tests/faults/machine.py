"""The same steps in any order, chosen by hypothesis, which shrinks what fails."""

from __future__ import annotations

from collections import Counter
from typing import Any, ClassVar

from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from .model import LEVELS, STATUS_OF_OUTCOME
from .play import Play, moderator

NUMBERS = st.integers(0, 5)
ENDS = st.sampled_from(["answer", "answer", "other_answer", "fail", "refuse", "die"])


class ImageMachine(RuleBasedStateMachine):
    """One image, to which anything may happen at any time; each step is compared with the model."""

    figures: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.play = Play(moderator())
        self.figures["played"] += 1

    def teardown(self) -> None:
        self.play.close()

    def _count(self, _: Any) -> None:
        self.figures["steps"] += 1

    @rule(picture=st.sampled_from([*LEVELS]))
    def save(self, picture: str) -> None:
        self._count(self.play.save(picture))

    @precondition(lambda self: self.play.model.is_alive and len(self.play.model.records) > 1)
    @rule()
    def delete(self) -> None:
        self._count(self.play.delete())

    @precondition(lambda self: self.play.model.current and self.play.model.current.is_open)
    @rule()
    def work(self) -> None:
        self._count(self.play.work())

    @precondition(lambda self: any(self.play.model.waiting()))
    @rule()
    def send(self) -> None:
        self._count(self.play.send())

    @precondition(lambda self: self.play.calls)
    @rule(number=NUMBERS, how=ENDS)
    def end(self, number: int, how: str) -> None:
        self._count(self.play.end(number % len(self.play.calls), how))

    @precondition(lambda self: self.play.calls)
    @rule()
    def expire(self) -> None:
        self._count(self.play.expire())

    @precondition(lambda self: self.play.submitted)
    @rule(number=NUMBERS)
    def callback(self, number: int) -> None:
        self._count(self.play.callback(-1 - number % len(self.play.submitted)))

    @precondition(lambda self: self.play.model.current)
    @rule()
    def look(self) -> None:
        self._count(self.play.look())

    @precondition(lambda self: self.play.looks)
    @rule(outcome=st.sampled_from([*STATUS_OF_OUTCOME]))
    def decide(self, outcome: str) -> None:
        self._count(self.play.decide(outcome))


def profile(*, count: int, length: int) -> settings:
    """Return what hypothesis runs by: a failure prints what reproduces it, and nothing is kept on the disk."""
    options: Any = {"max_examples": count, "stateful_step_count": length, "database": None, "deadline": None}
    return settings(**options, print_blob=True, suppress_health_check=list(HealthCheck))


def play_at_random(count: int, number: int, length: int) -> Counter[str]:
    """Play ``count`` sequences of about ``length`` steps by the seed ``number``; return how many, and their steps."""
    ImageMachine.figures.clear()
    run_state_machine_as_test(seed(number)(ImageMachine), settings=profile(count=count, length=length))
    return +ImageMachine.figures
