"""
For the tests of a host project.

With pytest, ``pytest_plugins = ["django_imgmod.testing"]`` in the outermost ``conftest.py`` brings the fixtures
``imgmod`` and ``imgmod_emulator``; everything else needs no pytest.
"""

from typing import TYPE_CHECKING

from django.utils.module_loading import import_string

from ..canary import canary_png
from .emulation import GREEN, IMAGE_MODERATION_2, RunningEmulator

if TYPE_CHECKING:
    from .moderation import Moderation
else:

    def __getattr__(name):
        # At its first use: this module may be loaded before the site's apps are there, and with them the models.
        if name == "Moderation":
            return import_string(f"{__name__}.moderation.{name}")
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


__all__ = ["GREEN", "IMAGE_MODERATION_2", "Moderation", "RunningEmulator", "canary_png"]

try:
    from .fixtures import imgmod, imgmod_emulator, imgmod_emulator_options
except ModuleNotFoundError as error:
    if error.name != "pytest":
        raise
else:
    __all__ += ["imgmod", "imgmod_emulator", "imgmod_emulator_options"]
