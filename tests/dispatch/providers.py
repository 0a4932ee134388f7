from __future__ import annotations

import time
from pathlib import Path

from django.conf import settings

from django_imgmod.providers.dummy import DummyProvider
from django_imgmod.results import ImageSource, Submission


class GatedProvider(DummyProvider):
    """Leaves a file "begun" in the media folder, and gives no answer as long as there is a file "closed"."""

    def submit(self, source: ImageSource) -> Submission:
        folder = Path(settings.MEDIA_ROOT)
        (folder / "begun").touch()
        while (folder / "closed").exists():
            time.sleep(0.05)
        return super().submit(source)
