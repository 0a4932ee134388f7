"""
Make each change of a record cheaper on PostgreSQL.

The unique columns lose their indexes for LIKE. Pages leave each of their rows room for a second version, so that rows
which come due together, lie together and are claimed together stay where they are, and their indexes as they are. The
room is for pages that are written from now on; no row is moved. Going back does not bring the indexes back: older code
has no use for them either.
"""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

import django_imgmod.models.fields

TABLE = "django_imgmod_moderationrecord"
FILL_FACTOR = 50


def leave_room(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"ALTER TABLE {TABLE} SET (fillfactor = {FILL_FACTOR})")


def leave_none(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"ALTER TABLE {TABLE} RESET (fillfactor)")


class Migration(migrations.Migration):
    dependencies = [("django_imgmod", "0004_judged_as")]

    operations = [
        migrations.AlterField(
            model_name="moderationrecord",
            name="current_key",
            field=django_imgmod.models.fields.DigestField(
                editable=False, max_length=64, null=True, unique=True, verbose_name="current key"
            ),
        ),
        migrations.AlterField(
            model_name="moderationrecord",
            name="submission_key",
            field=django_imgmod.models.fields.DigestField(
                editable=False,
                help_text="Set while these bytes are with a provider: they are not submitted twice at once.",
                max_length=64,
                null=True,
                unique=True,
                verbose_name="submission key",
            ),
        ),
        migrations.RunPython(leave_room, leave_none, elidable=False),
    ]
