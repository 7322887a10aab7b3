"""The image in ECR, secrets, and the certificate: what exists, and how old it is."""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from doctor.ports import CertificateState, ImageState, SecretState
from shared.aws.named_errors import named_errors
from shared.errors import AwsCallError

# The image by tag or digest in a registry of ECR.
_ECR = re.compile(r"(?P<account>\d{12})\.dkr\.ecr\.[^/]+/(?P<name>[^@:]+)(?P<by>[@:])(?P<id>.+)")
_NAME = re.compile(r".*:secret:(?P<name>.+?)(-[A-Za-z0-9]{6})?")


class MissingError(AwsCallError):
    """What was asked for does not exist."""


class EcrImages:
    def __init__(self, client: Any) -> None:
        self._client = client

    def is_known(self, uri: str) -> bool:
        return _ECR.fullmatch(uri) is not None

    def image(self, uri: str) -> ImageState | None:
        found = _ECR.fullmatch(uri)
        if found is None:
            return None
        key = "imageDigest" if found["by"] == "@" else "imageTag"
        missing = ("ImageNotFoundException", "RepositoryNotFoundException")
        try:
            with named_errors("look for the image", dict.fromkeys(missing, MissingError)):
                answer = self._client.describe_images(
                    registryId=found["account"],
                    repositoryName=found["name"],
                    imageIds=[{key: found["id"]}],
                )
        except MissingError:
            return None
        return ImageState(answer["imageDetails"][0]["imagePushedAt"])


class SecretsManagerSecrets:
    def __init__(self, client: Any, arns: Sequence[str]) -> None:
        self._client = client
        self._arns = tuple(dict.fromkeys(arns))

    def all(self) -> Sequence[SecretState]:
        return [self._secret(arn) for arn in self._arns]

    def _secret(self, arn: str) -> SecretState:
        match = _NAME.fullmatch(arn)
        name = match["name"] if match else arn
        try:
            with named_errors(
                f"describe the secret {name}", {"ResourceNotFoundException": MissingError}
            ):
                found = self._client.describe_secret(SecretId=arn)
        except MissingError:
            return SecretState(name, None, exists=False)
        changed: datetime | None = found.get("LastChangedDate") or found.get("CreatedDate")
        return SecretState(name, changed, found.get("DeletedDate"))


class AcmCertificates:
    def __init__(self, client: Any, arn: str) -> None:
        self._client = client
        self._arn = arn

    def certificate(self) -> CertificateState:
        missing = {"ResourceNotFoundException": MissingError}
        try:
            with named_errors("describe the certificate", missing):
                found = self._client.describe_certificate(CertificateArn=self._arn)["Certificate"]
        except MissingError:
            return CertificateState("deleted", None, renewed_by_aws=False)
        return CertificateState(
            status=found["Status"],
            until=found.get("NotAfter"),
            renewed_by_aws=found.get("Type") == "AMAZON_ISSUED",
        )
