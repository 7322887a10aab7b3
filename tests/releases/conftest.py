"""The same machine and deployment as the end-to-end tests have, in a run of its own."""

from tests.e2e.conftest import deployed as deployed
from tests.e2e.conftest import machine as machine
