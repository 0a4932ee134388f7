"""The embedded engine: judges pictures in this process, without an account and without a network."""

from .provider import LocalProvider

__all__ = ["LocalProvider"]
