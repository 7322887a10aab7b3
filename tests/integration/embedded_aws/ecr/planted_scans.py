"""What the scans of the embedded AWS find: a file in its state folder says it."""

import json
from typing import Any

from ..conftest import EmbeddedAws


class PlantedScans:
    """The findings of the scans by repository; `*` stands for all of them."""

    def __init__(self, embedded_aws: EmbeddedAws) -> None:
        self._file = embedded_aws.state_dir / "ecr-scans.json"
        self._scans: dict[str, Any] = {}

    def put(self, repository: str, **scan: Any) -> None:
        """Replace what the scans of a repository find, also those that have ended."""
        self._scans[repository] = scan
        # In one step: the emulator reads it at any moment.
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(self._scans))
        new.replace(self._file)

    def clear(self) -> None:
        self._file.unlink(missing_ok=True)


def basic(name: str, severity: str, package: str, version: str = "1.0") -> dict[str, Any]:
    """A finding of basic scanning."""
    return {
        "name": name,
        "description": "A vulnerability.",
        "uri": f"https://security-tracker.debian.org/tracker/{name}",
        "severity": severity,
        "attributes": [
            {"key": "package_version", "value": version},
            {"key": "package_name", "value": package},
            {"key": "CVSS2_SCORE", "value": "7.5"},
        ],
    }


def enhanced(name: str, severity: str, package: str, **details: Any) -> dict[str, Any]:
    """A finding of Inspector."""
    return {
        "awsAccountId": "000000000000",
        "severity": severity,
        "status": "ACTIVE",
        "title": f"{name} - {package}",
        "type": "PACKAGE_VULNERABILITY",
        "packageVulnerabilityDetails": {
            "vulnerabilityId": name,
            "vulnerablePackages": [
                {"name": package, "version": "1.0", "packageManager": "OS", **details}
            ],
        },
    }
