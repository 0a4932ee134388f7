"""What PostgreSQL is best used with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

PREPARED: Final[Mapping[str, Any]] = {"server_side_binding": True, "prepare_threshold": 5}
"""The OPTIONS that docs/databases.md names: what is often run is planned once."""
