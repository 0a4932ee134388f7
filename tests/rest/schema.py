"""The schema of the API as drf-spectacular writes it."""

from __future__ import annotations

from typing import Any

from django.test import override_settings
from drf_spectacular.generators import SchemaGenerator

from django_imgmod.rest import openapi

# Loading it is what describes the API.
DESCRIBED = openapi.OPERATIONS
SPECTACULAR = {"DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema"}


def generate() -> dict[str, Any]:
    with override_settings(REST_FRAMEWORK=SPECTACULAR):
        return dict(SchemaGenerator().get_schema(public=True))
