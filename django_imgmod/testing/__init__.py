"""
For the tests of a host project.

With pytest, ``pytest_plugins = ["django_imgmod.testing"]`` in the outermost ``conftest.py`` brings the fixture
``imgmod_emulator``; everything else needs no pytest.
"""

from ..canary import canary_png
from .emulation import GREEN, IMAGE_MODERATION_2, RunningEmulator

__all__ = ["GREEN", "IMAGE_MODERATION_2", "RunningEmulator", "canary_png"]

try:
    from .fixtures import imgmod_emulator, imgmod_emulator_options
except ModuleNotFoundError as error:
    if error.name != "pytest":
        raise
else:
    __all__ += ["imgmod_emulator", "imgmod_emulator_options"]
