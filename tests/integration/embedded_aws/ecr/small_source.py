"""A source of an image with one package instead of hundreds, and the builder as SAM packages it."""

import io
import zipfile
from pathlib import Path

import aws_lambda_powertools
import jmespath
import pathspec
import typing_extensions
from image_parts import UV, Wheels

from ..conftest import REPOSITORY
from ..stack_driver import BUCKET, StackDriver


class SmallSource:
    """The files of the image, which a test changes, and what the function needs."""

    def __init__(self, stacks: StackDriver, folder: Path, base: str) -> None:
        self._stacks = stacks
        wheels = Wheels(folder / "wheels")
        wheels.folder.mkdir()
        self._folder = folder / "source"
        lock = wheels.add("apache_airflow", "3.3.2").replace("apache_", "apache-", 1)
        wheels.add("extra", "1.0")
        self.write("requirements.lock", lock)
        self.write("Dockerfile", f"ARG PYTHON_IMAGE={base}\n")
        self.write("src/airflow_on_fargate/__init__.py", "")
        self.write("labels.json", "{}")
        # What the templates do not set: on AWS these are the public registry and index.
        self.variables = {
            "BASE_IMAGE_MIRROR": stacks.aws.endpoint_url,
            "UV_FOLDER": str(UV.parents[1]),
            "UV_DEFAULT_INDEX": wheels.index(),
        }
        functions = REPOSITORY / "functions"
        self.code = self._upload(
            (functions / "build_image", "build_image"),
            (functions / "contracts", "contracts"),
            (functions / "shared", "shared"),
            (Path(aws_lambda_powertools.__file__).parent, "aws_lambda_powertools"),
            (Path(jmespath.__file__).parent, "jmespath"),
            (Path(pathspec.__file__).parent, "pathspec"),
            (Path(typing_extensions.__file__), "typing_extensions.py"),
        )

    def write(self, name: str, text: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def remove(self, name: str) -> None:
        (self._folder / name).unlink()

    def content(self) -> dict[str, str]:
        """The content of the Lambda layer, as it is now."""
        return self._upload((self._folder, "image"))

    def _upload(self, *folders: tuple[Path, str]) -> dict[str, str]:
        key = self._stacks.upload(_zipped(*folders)).rsplit("/", 1)[-1]
        return {"S3Bucket": BUCKET, "S3Key": key}


def _zipped(*folders: tuple[Path, str]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for top, prefix in folders:
            for path in sorted(top.rglob("*")) if top.is_dir() else [top]:
                if path.is_file() and "__pycache__" not in path.parts:
                    inner = path.relative_to(top) if top.is_dir() else ""
                    archive.write(path, str(Path(prefix) / inner))
    return out.getvalue()
