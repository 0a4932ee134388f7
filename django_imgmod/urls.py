"""
The site's own entry points: ``path("imgmod/", include("django_imgmod.urls"))``.
"""

from django.urls import path

from .callbacks.views import receive

app_name = "django_imgmod"

urlpatterns = [path("callbacks/<str:alias>/", receive, name="callback")]
