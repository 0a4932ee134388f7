"""
Alibaba Cloud's image moderation on this machine: both wire protocols and the uploads, for development and for tests.

The official SDKs run against it as they are. It sends nothing to anybody but this machine, unless it is told to.
"""

from .app import Emulator
from .authentication import SecurityToken
from .faults import Fault, Faults
from .judging import Judge
from .server import serve

__all__ = ["Emulator", "Fault", "Faults", "Judge", "SecurityToken", "serve"]
