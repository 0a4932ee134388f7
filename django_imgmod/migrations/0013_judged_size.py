"""Keep the size of what a provider was given: by it pixels are counted. Nothing is rewritten."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("django_imgmod", "0012_label_regions"),
    ]

    operations = [
        migrations.AddField(
            model_name="moderationrecord",
            name="judged_width",
            field=models.PositiveIntegerField(
                blank=True,
                editable=False,
                help_text="In pixels, of what the provider was given, where that is upright.",
                null=True,
                verbose_name="judged width",
            ),
        ),
        migrations.AddField(
            model_name="moderationrecord",
            name="judged_height",
            field=models.PositiveIntegerField(
                blank=True,
                editable=False,
                help_text="In pixels, of what the provider was given, where that is upright.",
                null=True,
                verbose_name="judged height",
            ),
        ),
    ]
