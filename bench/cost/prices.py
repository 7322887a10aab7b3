"""List prices, each with its date and source. The table is prices.csv beside this module."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

HOME_REGION = "us-east-1"
# Hours of an average month, as AWS's own calculator counts them.
HOURS = 730
PRICE_FILE = Path(__file__).with_name("prices.csv")

# Prices that are the same in every region stand in the table once.
_EVERYWHERE = "global"


class InputError(ValueError):
    """The input cannot be used; the message says what to change."""


@dataclass(frozen=True)
class Price:
    unit: str
    usd: float
    date: str
    source: str
    region: str


class PriceTable:
    def __init__(self, prices: Mapping[tuple[str, str, str], Price], region: str) -> None:
        self._prices = prices
        self._region = region
        known = {found for _, _, found in prices} - {_EVERYWHERE}
        if region not in known:
            raise InputError(
                f"{PRICE_FILE.name} has no prices of {region!r}: choose from "
                f"{', '.join(sorted(known))}, or add rows"
            )

    @classmethod
    def load(cls, region: str, file: Path = PRICE_FILE) -> "PriceTable":
        with file.open(newline="", encoding="utf-8") as lines:
            prices = {
                (row["service"], row["item"], row["region"]): Price(
                    row["unit"], float(row["usd"]), row["date"], row["source"], row["region"]
                )
                for row in csv.DictReader(lines)
            }
        return cls(prices, region)

    @classmethod
    def regions(cls, file: Path = PRICE_FILE) -> list[str]:
        with file.open(newline="", encoding="utf-8") as lines:
            found = {row["region"] for row in csv.DictReader(lines)} - {_EVERYWHERE}
        return sorted(found, key=lambda region: (region != HOME_REGION, region))

    @property
    def region(self) -> str:
        return self._region

    def find(self, service: str, item: str) -> Price:
        """The price of the region. Where the table has none, the price of us-east-1.

        `Price.region` says which one it is, so that a report can mark it.
        """
        for region in (self._region, _EVERYWHERE, HOME_REGION):
            price = self._prices.get((service, item, region))
            if price is not None:
                return price
        raise InputError(f"{PRICE_FILE.name} has no price of {service}, {item}: add a row")
