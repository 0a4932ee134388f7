"""
Waking by Django's tasks: ``django.tasks`` from Django 6.0 on, its backport django-tasks before.

Messages go to the site's own ``TASKS["default"]``. A backend that works at once, in the process that saved the image,
makes the dispatcher an inline one.
"""

from __future__ import annotations

import uuid
from typing import Final

from ..exceptions import ImgmodConfigurationError
from ..services.submission import work
from .messages import MessageDispatcher

try:
    from django.tasks import DEFAULT_TASK_BACKEND_ALIAS, DEFAULT_TASK_QUEUE_NAME, task, task_backends
except ImportError:
    try:
        from django_tasks import (  # type: ignore[assignment,no-redef]
            DEFAULT_TASK_BACKEND_ALIAS,
            DEFAULT_TASK_QUEUE_NAME,
            task,
            task_backends,
        )
    except ImportError as error:
        raise ImgmodConfigurationError(
            f"TasksDispatcher needs Django 6.0 or the package django-tasks, which cannot be imported ({error}). "
            'Install it with: pip install "django-imgmod[tasks]"'
        ) from error

QUEUE: Final = "imgmod"


def queue_name() -> str:
    """
    Return "imgmod" where the site's backend has a queue of that name, and otherwise "default".

    Raises ``ImgmodConfigurationError`` where it has neither.
    """
    queues = task_backends[DEFAULT_TASK_BACKEND_ALIAS].queues
    if QUEUE in queues:
        return QUEUE
    # An empty set accepts every name.
    if queues and DEFAULT_TASK_QUEUE_NAME not in queues:
        raise ImgmodConfigurationError(
            f'QUEUES of TASKS["default"] has neither "{QUEUE}" nor "{DEFAULT_TASK_QUEUE_NAME}". Add "{QUEUE}".'
        )
    return DEFAULT_TASK_QUEUE_NAME


@task(queue_name=queue_name())
def work_record(public_id: str, using: str) -> None:
    """Do a record's work; run by the worker of the site's backend."""
    work(uuid.UUID(public_id), using=using)


class TasksDispatcher(MessageDispatcher):
    """Leave the work to the workers of Django's tasks. How long a save waits for a message is up to their backend."""

    def send(self, public_id: uuid.UUID, *, using: str) -> None:
        work_record.enqueue(public_id=str(public_id), using=using)
