"""AWS::Route53::RecordSet in a hosted zone that exists and that its name belongs to.

ministack 1.5.33 adds a record of any name to any zone, and an alias to anything.
"""

from typing import Any

from ministack.services import route53
from ministack.services.cloudformation import provisioners

from embedded_aws.acm.certificates import is_in_zone
from embedded_aws.cloudformation.engine import Created, Properties, handlers_of
from embedded_aws.settings import Settings

# The hosted zone of every distribution, and that of load balancers in ministack.
_CLOUDFRONT_ZONE_ID = "Z2FDTNDATAQYW2"
_BALANCER_ZONE_ID = "Z35SXDOTRQ7X7K"


class RecordSetError(ValueError):
    """Route 53 would refuse the record."""


def install(settings: Settings) -> None:
    create = provisioners._r53_record_set_create
    zones_of_targets = {
        f"localhost:{settings.ui_port}": _BALANCER_ZONE_ID,
        f"localhost:{settings.https_port}": _CLOUDFRONT_ZONE_ID,
    }

    def create_checked(logical_id: str, properties: Properties, stack_name: str) -> Created:
        zone = _zone(properties)
        name = str(properties["Name"])
        if not is_in_zone(name, zone["name"]):
            raise RecordSetError(
                f"InvalidChangeBatch: RRSet with DNS name {name.removesuffix('.')}. is not "
                f"permitted in zone {zone['name']}"
            )
        target = properties.get("AliasTarget")
        if target:
            _check_alias(target, zones_of_targets)
        created: Created = create(logical_id, properties, stack_name)
        return created

    handlers_of("AWS::Route53::RecordSet")["create"] = create_checked
    provisioners._r53_record_set_create = create_checked  # its update handler calls this name


def _zone(properties: Properties) -> dict[str, Any]:
    zone_id = provisioners._r53_resolve_hosted_zone_id(properties)
    zone: dict[str, Any] | None = route53._zones.get(zone_id)
    if zone is None:
        raise RecordSetError(f"NoSuchHostedZone: No hosted zone found with ID: {zone_id}")
    return zone


def _check_alias(target: dict[str, Any], zones_of_targets: dict[str, str]) -> None:
    name = str(target.get("DNSName", "")).removesuffix(".").removeprefix("dualstack.")
    expected = zones_of_targets.get(name)
    if expected is None:
        raise RecordSetError(
            f"The alias target {name} is neither the load balancer nor the distribution."
        )
    if target.get("HostedZoneId") != expected:
        raise RecordSetError(
            f"InvalidChangeBatch: Tried to create an alias that targets {name}., but the alias "
            f"target name does not lie within the target zone {target.get('HostedZoneId')}"
        )
