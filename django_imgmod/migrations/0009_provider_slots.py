"""
Keep the rates of providers in slots.

Rows appear as they are needed. Pages leave room for second versions on PostgreSQL, as each call writes a row twice.
"""

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

TABLE = "django_imgmod_providerslot"
FILL_FACTOR = 20


def leave_room(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"ALTER TABLE {TABLE} SET (fillfactor = {FILL_FACTOR})")


class Migration(migrations.Migration):
    dependencies = [
        ("django_imgmod", "0008_review_indexes"),
    ]

    operations = [
        migrations.CreateModel(
            name="ProviderSlot",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("provider", models.CharField(max_length=50, verbose_name="provider")),
                ("number", models.PositiveIntegerField(verbose_name="number")),
                ("free_at", models.DateTimeField(help_text="No call begins before.", verbose_name="free at")),
            ],
            options={
                "verbose_name": "provider slot",
                "verbose_name_plural": "provider slots",
                "constraints": [models.UniqueConstraint(fields=("provider", "number"), name="imgmod_provider_slot")],
            },
        ),
        migrations.AlterField(
            model_name="providerstate",
            name="next_call_at",
            field=models.DateTimeField(
                blank=True,
                help_text="Until then the provider asks to be left alone.",
                null=True,
                verbose_name="next call at",
            ),
        ),
        migrations.RunPython(leave_room, migrations.RunPython.noop, elidable=False),
    ]
