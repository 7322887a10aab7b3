"""The forecast: what the scheduler writes, the scaler reads."""

import pytest

from contracts.forecast import LIFETIME_SECONDS, RENEWAL_SECONDS, ForecastRun, PublishedForecast


def test_forecast_survives_writing_and_reading():
    forecast = PublishedForecast(5.0, (ForecastRun(65.0, "default", 12), ForecastRun(67.5, "a", 0)))
    assert PublishedForecast.from_bytes(forecast.to_bytes()) == forecast


def test_run_is_the_default_queues_when_it_names_none():
    forecast = PublishedForecast.from_bytes(
        b'{"published_at": 1, "runs": [{"due": 2, "slots": 3}]}'
    )
    assert forecast.runs == (ForecastRun(2.0, "default", 3),)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[]", b"{}", b'{"published_at": 1}', b'{"published_at": 1, "runs": [3]}',
        b'{"published_at": 1, "runs": [{"due": 1, "slots": -1}]}',
        b'{"published_at": 1, "runs": [{"due": Infinity, "slots": 1}]}',
        b'{"published_at": 1, "runs": [{"due": 1, "slots": Infinity}]}',
        b'{"published_at": null, "runs": []}',
    ],
)  # fmt: skip
def test_other_bytes_are_refused(data):
    with pytest.raises(ValueError):
        PublishedForecast.from_bytes(data)


def test_unchanged_forecast_is_written_again_well_before_it_expires():
    assert 2 * RENEWAL_SECONDS < LIFETIME_SECONDS
