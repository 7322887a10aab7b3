"""A profile as parameters of the root template: a class, or a profile of samconfig.toml."""

import shlex
import tomllib
from collections.abc import Sequence
from pathlib import Path

from bench.cost.environment import ROOT, Environment, class_names, read_environment
from bench.cost.prices import InputError

SAM_CONFIG = ROOT / "samconfig.toml"


def environment_of(
    profile: str,
    settings: Sequence[str],
    template: Path = ROOT / "template.yaml",
    config: Path = SAM_CONFIG,
) -> Environment:
    """The environment of a profile, with `Parameter=value` on top of it."""
    parameters = {**_profile(profile, template, config), **_parameters(settings)}
    name = parameters.get("EnvironmentClass", class_names(template)[0])
    return read_environment(name, template, parameters)


def _profile(profile: str, template: Path, config: Path) -> dict[str, str]:
    classes = class_names(template)
    if profile in classes:
        return {"EnvironmentClass": profile}
    profiles = _sam_profiles(config)
    if profile not in profiles:
        known = ", ".join([*classes, *profiles])
        raise InputError(f"Unknown class or profile {profile!r}: choose from {known}")
    return profiles[profile]


def _sam_profiles(config: Path) -> dict[str, dict[str, str]]:
    try:
        found = tomllib.loads(config.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InputError(f"{config} cannot be read: {error}") from error
    return {
        name: _parameters(
            [
                # A value in quotes is for SAM, which takes them off.
                part
                for override in profile["deploy"]["parameters"].get("parameter_overrides", [])
                for part in shlex.split(override)
            ]
        )
        for name, profile in found.items()
        if isinstance(profile, dict) and "deploy" in profile
    }


def _parameters(settings: Sequence[str]) -> dict[str, str]:
    parameters = {}
    for setting in settings:
        name, separator, value = setting.partition("=")
        if not separator:
            raise InputError(f"{setting!r} is no setting: write Parameter=value")
        parameters[name] = value
    return parameters
