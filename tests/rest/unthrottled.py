"""The API without rates: whoever tries everything asks often."""

from django.urls import include, path

from django_imgmod.rest.access import RATES
from django_imgmod.rest.urls import api_urls

urlpatterns = [path("imgmod/api/", include(api_urls(throttle_rates=dict.fromkeys(RATES))))]
