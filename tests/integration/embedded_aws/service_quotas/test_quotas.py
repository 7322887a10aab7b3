"""Contract: a quota has the value that the file says; the caller needs the permission for all."""

import json

import pytest
from botocore.exceptions import ClientError

from ..conftest import EmbeddedAws
from ..roles import Caller, refused

VCPU = {"ServiceCode": "fargate", "QuotaCode": "L-3032A538"}


def test_quota_is_what_the_file_says(embedded_aws: EmbeddedAws) -> None:
    quotas = embedded_aws.client("service-quotas")
    file = embedded_aws.state_dir / "service-quotas.json"

    usual = quotas.get_service_quota(**VCPU)["Quota"]
    file.write_text(json.dumps({"fargate/L-3032A538": 6}))
    changed = quotas.get_service_quota(**VCPU)["Quota"]
    file.unlink()

    assert (usual["QuotaName"], usual["Value"]) == ("Fargate On-Demand vCPU resource count", 1000)
    assert changed["Value"] == 6


def test_unknown_quota_is_refused(embedded_aws: EmbeddedAws) -> None:
    with pytest.raises(ClientError, match="NoSuchResourceException"):
        embedded_aws.client("service-quotas").get_service_quota(
            ServiceCode="fargate", QuotaCode="L-0"
        )


def test_caller_needs_the_permission_on_everything(embedded_aws: EmbeddedAws) -> None:
    """AWS authorizes this action on no resource."""
    caller = Caller(embedded_aws)
    with refused("servicequotas:GetServiceQuota", "*"):
        caller.client("service-quotas").get_service_quota(**VCPU)

    caller.may({"Action": "servicequotas:GetServiceQuota", "Resource": "*"})
    assert caller.client("service-quotas").get_service_quota(**VCPU)["Quota"]["Value"]
