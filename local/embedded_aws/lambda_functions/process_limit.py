"""A limit on the processes of one function, beyond which its invocations wait for a free one.

Lambda starts an execution environment for each event that comes while the others are busy, and
ministack 1.5.33 a process. On Lambda they are other machines; here they share one, and the 300
events of an upload started 83 processes. Each became so slow that none ended in time. This is no
limit of Lambda's and refuses nothing: Lambda's own limits are checked before.
"""

import threading
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

from embedded_aws.settings import Settings

# Another process of the function may end or be killed without a release.
_LOOK_SECONDS = 1.0


def install(settings: Settings) -> None:
    acquire, release = lambda_runtime.acquire_worker, lambda_runtime.release_worker
    released = threading.Condition()

    def acquire_in_turn(*args: Any, **kwargs: Any) -> tuple[Any, str]:
        while True:
            worker, reason = acquire(
                *args, **{**kwargs, "max_concurrency": settings.function_processes}
            )
            if worker is not None or reason != "func_cap":
                return worker, reason
            with released:
                released.wait(_LOOK_SECONDS)

    def release_and_tell(worker: Any) -> None:
        release(worker)
        with released:
            released.notify_all()

    lambda_svc.acquire_worker = acquire_in_turn
    lambda_svc.release_worker = release_and_tell
