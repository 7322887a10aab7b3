"""Two hundred releases with random timing: no reader ever sees a mixture of two."""

import random
import threading
import uuid

import pytest
from dag_folder import RELEASES, DagFolder, broken
from in_memory_s3 import BUCKET, InMemoryS3

from airflow_on_fargate.releases.bundle import ReleaseDagBundle
from publish_dags.history.promotion import Promoter

COUNT = 200
FILES = 30


class Readers:
    """One that follows the pointer, as the dag-processor does, and tasks on pinned releases."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.expected: dict[str, str] = {}
        self.done = threading.Event()
        self.wrong: list[str] = []
        self.looks = {"pinned": 0, "following": 0}

    def bundle(self, version: str | None = None) -> ReleaseDagBundle:
        return ReleaseDagBundle(
            name=self.name, bucket_name=BUCKET, prefix=RELEASES, version=version, refresh_interval=5
        )

    def look(self, bundle: ReleaseDagBundle, kind: str) -> None:
        """Read every file of one folder: all must belong to the release that the bundle names."""
        version = bundle.get_current_version()
        assert version is not None
        folder = bundle.path.resolve()
        texts = {path.read_text() for path in folder.glob("*.py")}
        count = len(list(folder.glob("*.py")))
        if texts != {self.expected[version.version]} or count != FILES:
            self.wrong.append(f"{kind} {version.version}: {count} files, {texts}")
        self.looks[kind] += 1

    def follow(self) -> None:
        try:
            bundle = self.bundle()
            bundle.initialize()
            while not self.done.is_set():
                bundle.refresh()
                self.look(bundle, "following")
        except BaseException as error:
            self.wrong.append(repr(error))

    def pin(self, seed: int) -> None:
        chance = random.Random(seed)
        try:
            while not self.done.is_set():
                bundle = self.bundle(chance.choice(list(self.expected)))
                bundle.initialize()
                self.look(bundle, "pinned")
                assert bundle._lease is not None
                bundle._lease.release()
        except BaseException as error:
            self.wrong.append(repr(error))


@pytest.mark.parametrize("mode", ["strict", "forgiving"])
def test_no_reader_sees_a_mixed_or_wrong_release_with_random_timing(
    monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    s3 = InMemoryS3()
    monkeypatch.setattr("boto3.client", lambda *_, **__: s3)
    folder = DagFolder(s3, strict=mode == "strict")
    readers = Readers(f"releases-{uuid.uuid4().hex}")
    chance = random.Random(5)

    def publish(number: int) -> None:
        text = f"VALUE = {number}"
        for file in range(FILES):
            s3.put(f"dags/f{file}.py", text.encode())
        if mode == "forgiving":
            # Files that stay out, another one each time.
            s3.put(f"dags/bad{number % 7}.py", broken(number + 2))
            s3.put(f"dags//odd{number}.py", text.encode())
        # The readers know it before they can see it.
        publisher = folder.publisher()
        point_to = publisher.releases.point_to

        def announce(pointer, mark):  # type: ignore[no-untyped-def]
            readers.expected[pointer.release] = text
            point_to(pointer, mark)

        publisher.releases.point_to = announce  # type: ignore[method-assign]
        publisher.publish()

    publish(0)
    threads = [threading.Thread(target=readers.follow)]
    threads += [threading.Thread(target=readers.pin, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, COUNT):
        s3.clock.sleep(1)
        publish(number)
        if chance.random() < 0.1:
            Promoter(folder.publisher()).promote("previous", "", hold=False)
        readers.done.wait(chance.random() * 0.02)
    readers.done.set()
    for thread in threads:
        thread.join()
    assert readers.wrong == []
    assert len(readers.expected) == COUNT
    assert min(readers.looks.values()) > 50
