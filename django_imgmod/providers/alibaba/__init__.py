"""Alibaba Cloud's image moderation, both generations, on requests alone."""

from .green import GreenProvider
from .image_moderation2 import ImageModeration2Provider

__all__ = ["GreenProvider", "ImageModeration2Provider"]
