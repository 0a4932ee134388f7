"""
What Celery's beat is to send, to be merged into the site's own schedule.

Imports nothing of Django or Celery, so that settings and the module of the Celery app can import it.
"""

from __future__ import annotations

from typing import Any, Final

SWEEP_INTERVAL: Final = 30.0

BEAT_SCHEDULE: Final[dict[str, dict[str, Any]]] = {
    "imgmod-sweep": {
        "task": "imgmod.sweep",
        "schedule": SWEEP_INTERVAL,
        # While no worker runs, sweeps must not pile up.
        "options": {"expires": SWEEP_INTERVAL},
    }
}
