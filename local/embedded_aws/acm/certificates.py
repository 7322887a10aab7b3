"""AWS::CertificateManager::Certificate, validated by records in a hosted zone.

ministack 1.5.33 issues every certificate at once. On AWS a certificate without a hosted zone waits
until its record is added by hand, and the stack waits with it.
"""

from typing import Any

from ministack.services import acm, route53
from ministack.services.cloudformation import provisioners

from embedded_aws.cloudformation.engine import Created, Properties, handlers_of
from embedded_aws.settings import Settings

LISTENER = "AWS::ElasticLoadBalancingV2::Listener"


class CertificateError(ValueError):
    """The certificate would never be issued."""


def install(settings: Settings) -> None:
    create = provisioners._acm_certificate_create

    def create_validated(logical_id: str, properties: Properties, stack_name: str) -> Created:
        _refuse_what_would_hang(properties)
        created: Created = create(logical_id, properties, stack_name)
        return created

    handlers_of("AWS::CertificateManager::Certificate")["create"] = create_validated
    provisioners._acm_certificate_create = create_validated  # its update handler calls this name
    _refuse_listeners_without_certificate()


def _refuse_what_would_hang(properties: Properties) -> None:
    domain = str(properties.get("DomainName", ""))
    if properties.get("ValidationMethod") != "DNS":
        raise CertificateError(
            f"The certificate of {domain} is validated by e-mail, and the stack would wait for "
            "the answer: set ValidationMethod to DNS"
        )
    zones = {
        option.get("DomainName"): option.get("HostedZoneId")
        for option in properties.get("DomainValidationOptions") or []
    }
    for name in (domain, *(properties.get("SubjectAlternativeNames") or [])):
        zone_id = zones.get(name)
        if not zone_id:
            raise CertificateError(
                f"The certificate of {name} has no HostedZoneId in DomainValidationOptions, and "
                "the stack would wait until the record that validates it is added by hand"
            )
        _refuse_foreign_zone(name, str(zone_id))


def _refuse_foreign_zone(name: str, zone_id: str) -> None:
    zone: dict[str, Any] | None = route53._zones.get(zone_id)
    if zone is None:
        raise CertificateError(f"NoSuchHostedZone: No hosted zone found with ID: {zone_id}")
    if not is_in_zone(name, zone["name"]):
        raise CertificateError(
            f"The hosted zone {zone_id} is that of {zone['name']} and cannot hold the record that "
            f"validates {name}"
        )


def is_in_zone(name: str, zone_name: str) -> bool:
    """Whether a record of that name can be in a zone: the zone's name is its end."""
    name, zone_name = name.removesuffix(".").lower(), zone_name.removesuffix(".").lower()
    return name == zone_name or name.endswith(f".{zone_name}")


def _refuse_listeners_without_certificate() -> None:
    apply = provisioners._elbv2_listener_tls

    def apply_existing(listener: dict[str, Any], properties: Properties) -> None:
        arns = [one.get("CertificateArn") for one in properties.get("Certificates") or []]
        if properties.get("Protocol") == "HTTPS":
            if not arns:
                raise CertificateError(
                    "A certificate must be specified for HTTPS listeners (CertificateNotFound)"
                )
            if arns[0] not in acm._certificates:
                raise CertificateError(f"CertificateNotFound: Certificate '{arns[0]}' not found")
        apply(listener, properties)

    provisioners._elbv2_listener_tls = apply_existing
