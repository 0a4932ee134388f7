"""The work as one of Django's tasks: ``django.tasks`` from Django 6.0 on, its backport before."""

from benchmarks.queues.tally import count_one

try:
    from django.tasks import task
except ImportError:
    from django_tasks import task


@task()
def count() -> None:
    count_one()
