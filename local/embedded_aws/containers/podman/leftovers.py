"""What an embedded AWS leaves in podman and in the kernel when it is killed, and its removal."""

from embedded_aws.containers.podman import client
from embedded_aws.containers.podman.cgroups import Group
from embedded_aws.processes import STATE_DIR_MARK


def prefix_of(endpoint_port: int) -> str:
    """Begins the names of an embedded AWS's containers; no other one has its port."""
    return f"embedded-aws-{endpoint_port}"


def remove(state_dir: str, endpoint_port: int) -> None:
    """Remove every container, volume and control group of an embedded AWS."""
    mark = f"label={STATE_DIR_MARK}={state_dir}"
    containers = client.call("ps", "--all", "--quiet", "--filter", mark).stdout.split()
    if containers:
        client.call("rm", "--force", "--volumes", "--time", "0", *containers)
    client.remove_volumes(mark)
    Group(f"/{prefix_of(endpoint_port)}").remove()
