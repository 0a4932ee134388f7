from django import forms

from .models import Photo


class PhotoForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    class Meta:
        model = Photo
        fields = ["title", "description", "image"]
        widgets = {"image": forms.FileInput(attrs={"accept": "image/*"})}
        labels = {"image": "Picture"}
