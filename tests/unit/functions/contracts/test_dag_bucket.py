"""What a pipeline may say about a zip file."""

import pytest

from contracts.dag_bucket import origin_of


def test_takes_what_is_known():
    said = {"commit": "c0ffee", "build": "7", "url": "https://example.com/1", "colour": "red"}
    assert origin_of(said) == {"commit": "c0ffee", "build": "7", "url": "https://example.com/1"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("url", "javascript:alert(1)"),
        ("url", "http://example.com"),
        ("commit", ""),
        ("commit", "a\nb"),
        ("commit", "a" * 301),
        ("branch", "\x1b[31m"),
    ],
)
def test_leaves_out_what_cannot_be_shown(key, value):
    assert origin_of({key: value}) == {}
