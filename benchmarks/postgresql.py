"""What PostgreSQL is best used with, and databases on its server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

PREPARED: Final[Mapping[str, Any]] = {"server_side_binding": True, "prepare_threshold": 5}
"""The OPTIONS that docs/databases.md names: what is often run is planned once."""


def own_name(purpose: str) -> str:
    """Return the name of a database of this process's own, after the one that DATABASE_URL names."""
    return f"{urlsplit(os.environ['DATABASE_URL']).path.strip('/')}_{purpose}_{os.getpid()}"
