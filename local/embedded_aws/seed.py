"""The seed of everything that AWS leaves to chance: orders, delays, repetitions.

The log names the seed. EMBEDDED_AWS_SEED sets it, to repeat a run.
"""

import logging
import os
import random
from functools import cache

VARIABLE = "EMBEDDED_AWS_SEED"

logger = logging.getLogger("embedded_aws")


@cache
def seed() -> str:
    chosen = os.environ.get(VARIABLE) or str(random.SystemRandom().randrange(1_000_000))
    logger.warning("The seed of orders and delays is %s; %s sets it", chosen, VARIABLE)
    return chosen


def generator_for(subject: object) -> random.Random:
    """A generator that depends on the seed and the subject only."""
    return random.Random(f"{seed()} {subject}")  # noqa: S311 - not a secret
