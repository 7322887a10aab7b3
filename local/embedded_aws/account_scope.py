"""The account and region in which ministack looks for its records.

ministack sets them for each request. Our own threads and handlers have to set them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ministack.core.responses import request_scope

from embedded_aws.settings import ACCOUNT_ID, Settings


@contextmanager
def account_scope(settings: Settings) -> Iterator[None]:
    with request_scope(ACCOUNT_ID, settings.region):
        yield
