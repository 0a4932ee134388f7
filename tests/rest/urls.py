from django.urls import include, path

urlpatterns = [path("imgmod/api/", include("django_imgmod.rest.urls"))]
