from __future__ import annotations

from typing import Final

from django.contrib import messages
from django.contrib.auth.decorators import login_required, permission_required
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_http_methods, require_safe

from django_imgmod.choices import Status
from django_imgmod.models import ModerationRecord
from django_imgmod.shortcuts import filter_visible, image_record

from .exhibits import exhibits
from .forms import PhotoForm
from .models import PICTURE_MODELS, Photo, Postcard, Poster
from .wording import explanation


@require_safe
def gallery(request: HttpRequest) -> HttpResponse:
    """All pictures, the newest first; those that may not be shown by a placeholder."""
    photos, postcards, posters = (
        exhibits(model._default_manager.all(), is_for_editors=request.user.is_authenticated)
        for model in (Photo, Postcard, Poster)
    )
    context = {
        "photos": photos,
        "shown_count": sum(exhibit.is_visible for exhibit in photos),
        "elsewhere": [*postcards, *posters],
    }
    return render(request, "gallery/gallery.html", context)


@login_required
@permission_required("gallery.add_photo", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def upload(request: HttpRequest) -> HttpResponse:
    """Save a photo and say what became of it."""
    form = PhotoForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        form.instance.uploaded_by = request.user
        _tell(request, form.save())
        return redirect("gallery")
    return render(request, "gallery/upload.html", {"form": form})


_MESSAGES: Final = {
    Status.PASSED: (messages.SUCCESS, "“{title}” has passed and is in the gallery."),
    Status.IN_REVIEW: (messages.WARNING, "“{title}” is held until a moderator has looked at it ({why})."),
    Status.BLOCKED: (messages.ERROR, "“{title}” is blocked and will not be shown ({why})."),
}
_NOT_YET = (messages.INFO, "“{title}” is saved. It will be shown once it has been checked and has passed.")


def _tell(request: HttpRequest, photo: Photo) -> None:
    record = image_record(photo, "image")
    level, text = _MESSAGES.get(Status(record.status), _NOT_YET) if record else _NOT_YET
    messages.add_message(request, level, text.format(title=photo.title, why=explanation(record).rstrip(".")))


@require_safe
@cache_control(private=True, no_cache=True)
def media(request: HttpRequest, name: str) -> FileResponse:
    """
    Serve an uploaded file if its picture may be shown, and to moderators whatever has a record.

    Hiding the picture on the page is not enough: who knows or guesses the name must not get it either.
    """
    if not (_is_visible(name) or _may_inspect(request, name)):
        raise Http404
    try:
        return FileResponse(default_storage.open(name))
    except FileNotFoundError as error:
        raise Http404 from error


def _is_visible(name: str) -> bool:
    return any(filter_visible(model._default_manager.filter(image=name), "image").exists() for model in PICTURE_MODELS)


def _may_inspect(request: HttpRequest, name: str) -> bool:
    return (
        any(request.user.has_perm(f"django_imgmod.{may}_moderationrecord") for may in ("view", "review"))
        and ModerationRecord.objects.filter(file_name=name).exists()
    )
