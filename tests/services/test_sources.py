"""Where a provider is told to call the site: an address that every client can look up."""

from __future__ import annotations

import pytest

from django_imgmod.exceptions import ImgmodConfigurationError
from django_imgmod.services.sources import callback_address


class TestCallbackAddress:
    @pytest.mark.parametrize(
        ("base", "alias", "told"),
        [
            ("https://site.example", "default", "https://site.example/imgmod/callbacks/default/"),
            ("https://site.example:8443/", "default", "https://site.example:8443/imgmod/callbacks/default/"),
            ("https://bücher.example", "default", "https://xn--bcher-kva.example/imgmod/callbacks/default/"),
            ("https://Bücher.example/läden/", "ä", "https://xn--bcher-kva.example/l%C3%A4den/imgmod/callbacks/%C3%A4/"),
            ("https://图。example:81/a%20b", "x y", "https://xn--wcs.example:81/a%20b/imgmod/callbacks/x%20y/"),
        ],
    )
    def test_is_ascii(self, settings, base, alias, told):
        settings.IMGMOD = {"CALLBACK_BASE_URL": base}
        assert callback_address(alias) == told

    @pytest.mark.parametrize("base", ["https://ü..example", f"https://ü{'u' * 70}.example", "https://bü_cher.example"])
    def test_host_that_cannot_exist_is_an_error_of_the_settings(self, settings, base):
        settings.IMGMOD = {"CALLBACK_BASE_URL": base}
        with pytest.raises(ImgmodConfigurationError, match=rf'IMGMOD\["CALLBACK_BASE_URL"\] is \'{base}\''):
            callback_address("default")

    def test_is_empty_where_the_site_is_not_to_be_called(self, settings):
        settings.IMGMOD = {}
        assert callback_address("default") == ""
