"""How long CloudFormation waits in these tests."""

from waiting import slowness

# Two minutes on a calm machine. Ticks come once a minute, however slow the machine is.
SERVICE_TIMEOUT_SECONDS = round(min(120 * slowness(), 300))
