"""Notice that Lambda ended an earlier attempt in the middle.

A process that needs more memory than the function has is killed, and no code can answer for it.
Lambda then repeats the asynchronous call, mostly in the same environment: it starts the program
again and keeps /tmp. So each attempt leaves a note there and removes it at its end. A note of the
same call means that the attempt before was killed, and another one would be, too.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from build_image.errors import ImageBuildError


@contextmanager
def attempt(note: Path, call: str) -> Iterator[None]:
    """Run one call's work.

    Args:
        note: the file, outside of the folder that the work empties.
        call: what repetitions of the call have in common, and other calls do not.

    Raises:
        ImageBuildError: an attempt of this call was killed.
    """
    was_killed = note.is_file() and note.read_text() == call
    if was_killed:
        note.unlink()
        raise ImageBuildError(
            "Lambda ended an earlier attempt of this build in the middle, most likely because the "
            "function's memory was not enough: raise its MemorySize, or remove packages from "
            "images/airflow/user/requirements.txt."
        )
    note.write_text(call)
    try:
        yield
    finally:
        note.unlink(missing_ok=True)
