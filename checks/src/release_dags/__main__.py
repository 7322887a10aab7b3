"""`release-dags`: exit status 0 if it happened, 1 if not."""

import argparse
import sys
import tempfile
from pathlib import Path

from check_dags.archive import write_archive
from check_dags.project import functions_folder

# The publisher's packages are not installed under their general names.
sys.path.insert(0, str(functions_folder()))

from contracts.dag_bucket import ORIGIN_KEYS
from release_dags import change_set
from release_dags.comparison import compare, table
from release_dags.environments import (
    Environment,
    ReleaseError,
    client_of_stacks,
    environment_of_bucket,
    environment_of_stack,
)
from release_dags.preview import markdown, preview
from release_dags.promotion import CURRENT, promote
from release_dags.upload import Uploader
from shared.dag_releases import read_dag_releases


def run() -> None:
    """The entry point of the installed package."""
    sys.exit(main(sys.argv[1:]))


def main(arguments: list[str]) -> int:
    """Run one command; the exit status."""
    options = _parser().parse_args(arguments)
    try:
        print(options.command(options), flush=True)
    except ReleaseError as error:
        print(f"release-dags: {error}", file=sys.stderr)
        return 1
    return 0


def _publish(options: argparse.Namespace) -> str:
    origin = {key: getattr(options, key) for key in ORIGIN_KEYS if getattr(options, key)}
    uploader = Uploader(_environment(options), options.wait)
    pointer = uploader.publish(options.commit, _archive(options.folder), origin)
    return f"{options.commit} is live as {pointer.release}"


def _preview(options: argparse.Namespace) -> str:
    settings, problems = read_dag_releases(options.dag_releases)
    if problems:
        raise ReleaseError(" ".join(problems))
    environment = _environment(options)
    shown = preview(environment, _archive(options.folder), settings)
    return markdown(shown, options.name or environment.name)


def _promote(options: argparse.Namespace) -> str:
    source = environment_of_stack(options.source, options.source_profile)
    target = environment_of_stack(options.target, options.target_profile)
    pointer = promote(source, target, options.release, options.wait)
    return f"{target.name} has {pointer.release}"


def _compare(options: argparse.Namespace) -> str:
    source = environment_of_stack(options.source, options.source_profile)
    target = environment_of_stack(options.target, options.target_profile)
    return table(source, target, compare(source, target))


def _changes(options: argparse.Namespace) -> str:
    client = client_of_stacks()
    return change_set.markdown(
        change_set.changes(client, options.stack, options.change_set), options.stack
    )


def _environment(options: argparse.Namespace) -> Environment:
    if options.bucket:
        return environment_of_bucket(options.bucket, options.role)
    return environment_of_stack(options.stack)


def _archive(folder: Path) -> bytes:
    if not folder.is_dir():
        raise ReleaseError(f"{folder} is not a folder")
    with tempfile.TemporaryDirectory(prefix="release-dags-") as name:
        target = Path(name, "release.zip")
        write_archive(folder.resolve(), target)
        return target.read_bytes()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="release-dags", description=__doc__)
    commands = parser.add_subparsers(required=True)

    publishes = commands.add_parser("publish", help="upload a folder and wait until it is live")
    publishes.set_defaults(command=_publish)
    publishes.add_argument("--commit", required=True, help="its name, and the name of the zip file")
    for key in ORIGIN_KEYS:
        if key != "commit":
            publishes.add_argument(f"--{key}", default="", help="shown in the history")

    previews = commands.add_parser("preview", help="Markdown with what a folder would change")
    previews.set_defaults(command=_preview)
    previews.add_argument("--dag-releases", default="{}", help="the stack's parameter DagReleases")
    previews.add_argument("--name", default="", help="what the environment is called")
    for command in (publishes, previews):
        command.add_argument("folder", type=Path)
        command.add_argument("--role", default="", help="a role to assume, with --bucket")
        place = command.add_mutually_exclusive_group(required=True)
        place.add_argument("--bucket", default="", help="the stack's output DagBucketName")
        place.add_argument("--stack", default="", help="the name of the root stack")

    promotes = commands.add_parser("promote", help="publish the release of one stack in another")
    promotes.set_defaults(command=_promote)
    compares = commands.add_parser("compare", help="what differs between two stacks")
    compares.set_defaults(command=_compare)
    for command in (promotes, compares):
        command.add_argument("source", help="a root stack, such as that of dev")
        command.add_argument("target", help="another, such as that of prod")
        command.add_argument("--source-profile", default="", help="its profile of the AWS CLI")
        command.add_argument("--target-profile", default="", help="its profile of the AWS CLI")
    promotes.add_argument(
        "--release", default=CURRENT, help="an id, or the beginning of a content's hash"
    )
    shows = commands.add_parser("changes", help="Markdown with what a change set would change")
    shows.set_defaults(command=_changes)
    shows.add_argument("stack", help="the name of the root stack")
    shows.add_argument("change_set", help="made with --include-nested-stacks")
    for command in (publishes, promotes):
        command.add_argument("--wait", type=float, default=300.0, help="seconds")
    return parser


if __name__ == "__main__":
    run()
