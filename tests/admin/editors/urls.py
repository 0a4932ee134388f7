"""The admins of a site, as every request of these tests finds them."""

from django.conf import settings
from django.urls import path
from django.views.static import serve

from .site import office, plain, site


def media(request, name):
    return serve(request, name, document_root=settings.MEDIA_ROOT)


urlpatterns = [
    path("admin/", site.urls),
    path("office/", office.urls),
    path("plain/", plain.urls),
    path("media/<path:name>", media),
]


def served(get_response):
    """Serve what is named here: unlike another ROOT_URLCONF for each test, it is not read anew each time."""

    def respond(request):
        request.urlconf = __name__
        return get_response(request)

    return respond
