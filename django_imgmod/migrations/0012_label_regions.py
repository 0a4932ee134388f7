"""Keep where in the picture a label was seen. Nothing is rewritten, and old code goes on."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_imgmod", "0011_what_was_seen"),
    ]

    operations = [
        migrations.AddField(
            model_name="detectedlabel",
            name="regions",
            field=models.JSONField(
                blank=True,
                help_text="Where it was seen: left, top, width, height of each, as fractions of the upright picture.",
                null=True,
                verbose_name="regions",
            ),
        ),
    ]
