"""Collected only where the official SDKs are: pip install "django-imgmod[sdks]"."""

from __future__ import annotations

from importlib.util import find_spec

from django_imgmod.testing import imgmod_emulator, imgmod_emulator_options

__all__ = ["imgmod_emulator", "imgmod_emulator_options"]

collect_ignore_glob = [] if find_spec("oss2") and find_spec("alibabacloud_green20220302") else ["test_*.py"]
