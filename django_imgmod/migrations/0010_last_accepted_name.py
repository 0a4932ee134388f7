"""Keep which picture of a field was passed last before the one that took its place."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_imgmod", "0009_provider_slots"),
    ]

    operations = [
        migrations.AddField(
            model_name="moderationrecord",
            name="last_accepted_name",
            field=models.TextField(
                blank=True,
                help_text="The file of this field that was passed last before this one took its place.",
                null=True,
                verbose_name="last accepted file",
            ),
        ),
        migrations.AlterField(
            model_name="moderationrecord",
            name="height",
            field=models.PositiveIntegerField(
                blank=True, help_text="In pixels, upright.", null=True, verbose_name="height"
            ),
        ),
        migrations.AlterField(
            model_name="moderationrecord",
            name="width",
            field=models.PositiveIntegerField(
                blank=True, help_text="In pixels, upright.", null=True, verbose_name="width"
            ),
        ),
    ]
