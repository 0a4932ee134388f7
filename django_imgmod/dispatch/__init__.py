"""How work is woken after a commit. A dispatcher only wakes: what is lost here, the sweep finds."""

from __future__ import annotations

import uuid
from abc import ABC, abstractmethod

from ..conf import imgmod_settings, import_subclass
from ..models import CallbackReceipt
from ..results import Callback
from ..services.callbacks import apply_receipt
from ..services.submission import work


class BaseDispatcher(ABC):
    """Subclass it to wake work in another way; ``IMGMOD["DISPATCHER"]`` names the class."""

    @abstractmethod
    def wake(self, public_id: uuid.UUID, *, using: str) -> None:
        """
        See to it that ``services.submission.work(public_id, using=using)`` is called soon, here or elsewhere.

        Called after the commit, in the process that saved the image. May lose the call, may repeat it.
        """

    def wake_callback(self, receipt: CallbackReceipt, callback: Callback) -> None:
        """
        See to it that a callback is applied; here and now, unless a subclass knows better.

        Called in the request that brought it, once it is stored. What is lost here, the worker finds.
        """
        apply_receipt(receipt, callback)


class InlineDispatcher(BaseDispatcher):
    """Work at once, in the process that saved the image. An engine of one's own is quick enough for that."""

    def wake(self, public_id: uuid.UUID, *, using: str) -> None:
        work(public_id, using=using)


class SweepDispatcher(BaseDispatcher):
    """Leave everything to ``manage.py imgmod_worker``."""

    def wake(self, public_id: uuid.UUID, *, using: str) -> None:
        pass

    def wake_callback(self, receipt: CallbackReceipt, callback: Callback) -> None:
        pass


def dispatcher_class() -> type[BaseDispatcher]:
    """Return the configured class; raises ``ImgmodConfigurationError`` where it cannot be used."""
    path = imgmod_settings.dispatcher
    # mypy allows no abstract class here, although what is returned never is one.
    return import_subclass(path, BaseDispatcher, 'IMGMOD["DISPATCHER"]')  # type: ignore[type-abstract]


def wake(*, public_id: uuid.UUID, using: str, **kwargs: object) -> None:
    """Hand work that has become due to the configured dispatcher; receiver of ``signals.work_due``."""
    dispatcher_class()().wake(public_id, using=using)


def wake_callback(*, receipt: CallbackReceipt, callback: Callback, **kwargs: object) -> None:
    """Hand a stored callback to the configured dispatcher; receiver of ``signals.callback_stored``."""
    dispatcher_class()().wake_callback(receipt, callback)
