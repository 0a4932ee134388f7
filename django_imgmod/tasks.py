"""Where Celery's workers look for what they can run. Empty without Celery: others look at modules of this name too."""

from __future__ import annotations

from importlib.util import find_spec

if find_spec("celery"):
    from .dispatch.celery import sweep_records, work_record

    __all__ = ["sweep_records", "work_record"]
