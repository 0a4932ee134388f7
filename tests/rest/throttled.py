"""The API with rates that are soon used up."""

from django.urls import include, path

from django_imgmod.rest.urls import api_urls

rates = {"read": "2/min", "statistics": "1/hour", "decide": None, "status": "2/min"}

urlpatterns = [path("imgmod/api/", include(api_urls(throttle_rates=rates)))]
