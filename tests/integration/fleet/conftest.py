"""The same embedded AWS as the long proofs of the fleet have (tests/fleet)."""

from tests.fleet.conftest import workspace as workspace
