from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("django_imgmod", "0003_work_by_provider")]

    operations = [
        migrations.AddField(
            model_name="moderationrecord",
            name="judged_as",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="The copy that was judged, where the provider does not take the stored bytes themselves.",
                max_length=100,
                verbose_name="judged as",
            ),
        ),
    ]
