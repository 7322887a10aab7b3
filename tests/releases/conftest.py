"""The machine and deployment of the end-to-end tests, in a separate run."""

from tests.e2e.conftest import deployed as deployed
from tests.e2e.conftest import machine as machine
