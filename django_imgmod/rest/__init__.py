"""The API, for Django REST Framework: ``path("imgmod/api/", include("django_imgmod.rest.urls"))``."""
