"""The moderation of a host project, as its tests want it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from typing import Final, Self, cast
from unittest import mock
from urllib.parse import urlencode
from uuid import uuid4

from django.core.cache.backends.locmem import LocMemCache
from django.db import DEFAULT_DB_ALIAS
from django.http import HttpResponse
from django.test import Client
from django.urls import NoReverseMatch, reverse

from .. import dispatch
from ..choices import RiskLevel
from ..exceptions import ImgmodConfigurationError, ProviderUnavailable
from ..models import ModerationRecord
from ..providers import ProviderHandler, providers
from ..results import Detection, FeedbackMessage, ImageSource, Verdict
from ..seeds import callback_seed
from ..services import prejudging
from ..services.showing import waits
from .provider import Answer, Script, ScriptedProvider
from .settling import committed, settle

Labels = Mapping[str, float | None] | Iterable[str | Detection]

_FORM: Final = "application/x-www-form-urlencoded"
# What somebody sends who does not know the secret.
_FORGED_SEED: Final = "0" * 64


class Moderation:
    """
    As long as it is entered as a context manager, no provider of the site is asked: the test says what they answer.

    Whatever provider the settings name under an alias, an image gets the answers that were queued here, in their order;
    with none queued a canary gets its own risk level and everything else "none". Policies and all other settings of the
    site stay in force, but for the dispatcher: after a commit an image is judged at once, in the thread that saved it.
    Nothing reaches another machine or waits, and nothing is left in the site's cache. When it is left everything is as
    before.

    Leaving it raises ``AssertionError`` where answers are left that nobody asked for, unless an error leaves it.
    """

    def __init__(self) -> None:
        self._script = Script()
        self._stack: ExitStack | None = None

    def __enter__(self) -> Self:
        if self._stack is not None:
            raise RuntimeError("This moderation is entered already: make another one.")
        with ExitStack() as stack:
            # Not by the settings: a test that changes these, before or meanwhile, must not reach a real provider.
            stack.callback(providers.forget)
            stack.enter_context(mock.patch.object(ProviderHandler, "create_connection", self._provider_for))
            stack.enter_context(_dispatched_by(dispatch.InlineDispatcher))
            # The site's cache outlives the test, and may be one that other processes use.
            cache = LocMemCache(f"django_imgmod.testing:{uuid4()}", {})
            stack.callback(cache.clear)
            for module in (prejudging, waits):
                stack.enter_context(mock.patch.object(module, "cache", cache))
            providers.forget()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, exception_type: type[BaseException] | None, *args: object) -> None:
        stack, self._stack = self._stack, None
        if stack is not None:
            stack.close()
        if exception_type is None and self._script.answers:
            raise AssertionError(
                f"Nobody asked for {len(self._script.answers)} of the queued answers: "
                f"{', '.join(map(str, self._script.answers))}. Pictures are judged after the commit, and in a test's "
                "own transaction by settle(). The same bytes are judged once, so pictures that are to get different "
                "verdicts need different bytes."
            )

    @property
    def submissions(self) -> Sequence[ImageSource]:
        """What was asked of the site's providers, the oldest first; what failed included."""
        return self._script.submissions

    @property
    def feedback(self) -> Sequence[FeedbackMessage]:
        """The decisions that providers were told, the oldest first."""
        return self._script.feedback

    @property
    def is_down(self) -> bool:
        """Whether every provider is unreachable, whatever is queued. To be set; False at first."""
        return self._script.is_down

    @is_down.setter
    def is_down(self, value: bool) -> None:
        self._script.is_down = value

    def next(self, risk_level: str, *, later: bool = False) -> None:
        """
        Answer the next submission, after those that have their answer already, with a risk level and no labels.

        With ``later`` the image is accepted first, and its answer comes by ``deliver_callback`` or ``release``.
        """
        self.verdict(risk_level=risk_level, later=later)

    def verdict(self, labels: Labels = (), *, risk_level: str | None = None, later: bool = False) -> None:
        """
        Answer the next submission with labels: a dict of confidences from 0 to 100, or a list of names or detections.

        The risk level is the gravest of the detections' own; where none has one, "high" with labels and "none" without.
        ``later`` is as in ``next``.
        """
        detections = tuple(_detections(labels))
        level = _risk_level_of(detections) if risk_level is None else _risk_level(risk_level)
        self._script.answers.append(Answer(Verdict(risk_level=level, detections=detections), is_late=later))

    def fail(self, error: Exception | None = None, *, times: int = 1) -> None:
        """
        Let the next submissions fail: by default as if the provider had not answered in time, which is tried again.

        A ``ProviderRefused`` is for good: the image ends in its policy's ``on_error``.
        """
        content = error or ProviderUnavailable("The provider did not answer in time, as the test says.")
        self._script.answers.extend([Answer(content)] * times)

    def release(self) -> None:
        """Let the answers that were to come ``later`` be there, to be asked for by ``settle``."""
        self._script.held.clear()

    def settle(self) -> None:
        """
        Do all that workers would do in time: submissions, second attempts, polls, callbacks, feedback.

        What is due later is done now. Ends when nothing is left or nothing gets any further, because providers are
        down or answer ``later``. Works in a test's own transaction as well, and sends the signals there, too.
        """
        self._require_entered()
        # What receivers of the signals save meanwhile is found like everything else, and judged in its turn.
        with _dispatched_by(dispatch.SweepDispatcher):
            settle(self._script)

    def deliver_callback(self, record: ModerationRecord, *, tamper: bool = False) -> HttpResponse:
        """
        Send the callback about a submitted record to the site's own address for it, and return the response.

        With ``tamper`` it is a forged one, about any record, by somebody who does not know the secret. Raises
        ``ImgmodConfigurationError`` where the site has no such address, ``ValueError`` for a record that no provider
        was given.
        """
        self._require_entered()
        data_id = str(record.public_id)
        if not tamper and data_id not in self._script.verdicts:
            raise ValueError(
                f'No provider was given record {data_id} ("{record.file_name}"), which is {record.status}, so none '
                "calls back about it. Queue an answer with later=True before saving the picture, and call settle()."
            )
        seed = _FORGED_SEED if tamper else callback_seed(record.provider, data_id)
        form = urlencode({"data_id": data_id, "seed": seed})
        with committed(record._state.db or DEFAULT_DB_ALIAS):
            # Over TLS, as a provider calls: a site may redirect everything else.
            response = Client(enforce_csrf_checks=True).post(
                _callback_path(record.provider), form, content_type=_FORM, secure=True
            )
        return cast("HttpResponse", response)

    def _provider_for(self, alias: str) -> ScriptedProvider:
        return ScriptedProvider(alias, self._script)

    def _require_entered(self) -> None:
        if self._stack is None:
            raise RuntimeError("The site's own providers are in force: enter the moderation as a context manager.")


def _dispatched_by(dispatcher: type[dispatch.BaseDispatcher]) -> AbstractContextManager[object]:
    return mock.patch.object(dispatch, "dispatcher_class", return_value=dispatcher)


def _callback_path(alias: str) -> str:
    try:
        return reverse("django_imgmod:callback", args=[alias])
    except NoReverseMatch as error:
        raise ImgmodConfigurationError(
            'The site has no address for callbacks. Add to its urls.py: path("imgmod/", include("django_imgmod.urls"))'
        ) from error


def _risk_level(value: str) -> RiskLevel:
    if value not in RiskLevel.values:
        raise ValueError(f"There is no risk level {value!r}. There are: {', '.join(RiskLevel.values)}.")
    return RiskLevel(value)


def _risk_level_of(detections: Sequence[Detection]) -> RiskLevel:
    levels = [detection.risk_level for detection in detections if detection.risk_level is not None]
    without_own = RiskLevel.HIGH if detections else RiskLevel.NONE
    return max(levels, key=lambda level: level.gravity, default=without_own)


def _detections(labels: Labels) -> Iterable[Detection]:
    if isinstance(labels, Mapping):
        return (Detection(label=label, confidence=confidence) for label, confidence in labels.items())
    names = [labels] if isinstance(labels, str) else labels
    return (name if isinstance(name, Detection) else Detection(label=name) for name in names)
