"""What uv prints, and the sentence that is made of it."""

import pytest

from build_image.checks.installation import explain

PINS = {"apache-airflow": "3.3.2", "pendulum": "3.1.0"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("error: Failed to fetch: `https://pypi.org/simple/x/`", "could not be downloaded"),
        ("error: Failed to fetch: https://pypi.org/simple/x/", "index https://pypi.org cannot be"),
        (
            "error: Failed to download `own @ https://a.example/own.whl` cause: Failed to fetch: "
            "https://a.example/own.whl cause: HTTP status client error (404 Not Found) for url",
            "names https://a.example/own.whl, which cannot be fetched (404 Not Found): check the",
        ),
        ("error: write failed: No space left on device (os error 28)", "EphemeralStorage"),
        ("memory allocation failed: out of memory", "raise MemorySize"),
        ("it was ended, which on Lambda means out of memory", "raise MemorySize"),
        ("error: Hash mismatch for `one==1.0`", "one==1.0 is not the file"),
        (
            "Because nosuch was not found in the package registry and you require nosuch, we can",
            "file names nosuch, which does not exist",
        ),
        (
            "Because big==2.0 depends on pendulum>=4,<5 and pendulum==3.1.0, we can conclude",
            "big 2.0 needs pendulum>=4,<5, but the lock file has pendulum 3.1.0",
        ),
        (
            "Because you require apache_airflow>=4 and apache-airflow==3.3.2, we can conclude",
            "it names apache-airflow>=4, but the lock file has apache-airflow 3.3.2",
        ),
        ("error: something new", "cannot be installed. uv: error: something new"),
    ],
)
def test_reason_names_what_to_change(text: str, sentence: str) -> None:
    assert sentence in explain(text, "file", PINS)


def test_long_text_is_shortened() -> None:
    assert len(explain("x " * 5000, "file", PINS)) < 1500
