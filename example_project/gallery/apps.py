from django.apps import AppConfig


class GalleryConfig(AppConfig):
    name = "example_project.gallery"
    default_auto_field = "django.db.models.BigAutoField"
