"""Operations that lock no table for long, on every database."""

from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState
from django.db.models import Index, Model


def add_index(schema_editor: BaseDatabaseSchemaEditor, model: type[Model], index: Index) -> None:
    """Create an index; on PostgreSQL beside running writers, and anew where an earlier attempt was cut short."""
    options = _concurrently(schema_editor)
    if options:
        schema_editor.remove_index(model, index, **options)
    schema_editor.add_index(model, index, **options)


def remove_index(schema_editor: BaseDatabaseSchemaEditor, model: type[Model], index: Index) -> None:
    """Drop an index; on PostgreSQL beside running writers, and whether or not it is there."""
    schema_editor.remove_index(model, index, **_concurrently(schema_editor))


def _concurrently(schema_editor: BaseDatabaseSchemaEditor) -> dict[str, Any]:
    return {"concurrently": True} if schema_editor.connection.vendor == "postgresql" else {}


class AddIndexOnline(migrations.AddIndex):
    """
    Add an index while the site runs. The migration must not be atomic.

    Django's own operation for PostgreSQL refuses every other database, and cannot even be imported without a driver.
    """

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model: Any = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            add_index(schema_editor, model, self.index)

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model: Any = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            remove_index(schema_editor, model, self.index)


class RemoveIndexOnline(migrations.RemoveIndex):
    """Remove an index while the site runs. The migration must not be atomic."""

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model: Any = from_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            state = from_state.models[app_label, self.model_name_lower]
            remove_index(schema_editor, model, state.get_index_by_name(self.name))

    def database_backwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        model: Any = to_state.apps.get_model(app_label, self.model_name)
        if self.allow_migrate_model(schema_editor.connection.alias, model):
            state = to_state.models[app_label, self.model_name_lower]
            add_index(schema_editor, model, state.get_index_by_name(self.name))
