"""Responses of S3 that are cut off, over real HTTP and with the real SDK."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest
from botocore.config import Config
from dag_folder import DagFolder
from in_memory_s3 import InMemoryS3

from airflow_on_fargate.releases.cache import ReleaseCache
from airflow_on_fargate.releases.store import ReleaseUnavailableError, S3ReleaseStore

FILES = {f"dag_{n}.py": f"# {n} " + "x" * 3000 for n in range(200)}


class BreakingS3(ThreadingHTTPServer):
    """Serves a bucket in memory, and cuts off the first responses for each object."""

    def __init__(self, s3: InMemoryS3, broken_answers: int) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.s3 = s3
        self.broken_answers = broken_answers
        self.asked: dict[str, int] = {}


class _Answers(BaseHTTPRequestHandler):
    server: BreakingS3

    def do_GET(self) -> None:
        key = self.path.partition("/dags/")[2].partition("?")[0]
        data = self.server.s3.data(key)
        asked = self.server.asked[key] = self.server.asked.get(key, 0) + 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        broken = asked <= self.server.broken_answers
        self.wfile.write(data[: len(data) // 2] if broken else data)

    def log_message(self, *_: object) -> None:
        """Do not log to the terminal."""


@pytest.fixture
def folder() -> DagFolder:
    return DagFolder()


@pytest.fixture
def serve(folder: DagFolder) -> Iterator[object]:
    servers = []

    def start(broken_answers: int) -> S3ReleaseStore:
        server = BreakingS3(folder.s3, broken_answers)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{server.server_port}",
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )
        return S3ReleaseStore("dags", "releases/", client)

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_reads_again_when_a_response_is_cut_off(folder, serve, tmp_path) -> None:
    release = folder.become(FILES)
    store = serve(broken_answers=2)
    ReleaseCache(tmp_path, tmp_path / "versions", store).materialise(release)
    made = {p.name: p.read_text() for p in (tmp_path / "versions" / release).iterdir()}
    assert made == FILES


def test_fails_and_leaves_nothing_when_every_response_is_cut_off(folder, serve, tmp_path) -> None:
    release = folder.become(FILES)
    cache = ReleaseCache(tmp_path, tmp_path / "versions", serve(broken_answers=99))
    with pytest.raises(ReleaseUnavailableError, match=f"release {release} was cut off"):
        cache.materialise(release)
    assert not cache.has(release)
    assert list((tmp_path / "versions").iterdir()) == []
