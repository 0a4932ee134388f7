"""For the tests of a host project."""

from .canary import canary_png

__all__ = ["canary_png"]
