"""Quotas, and free addresses of subnets."""

from collections.abc import Mapping, Sequence
from typing import Any

from shared.aws.named_errors import named_errors

# "Fargate On-Demand vCPU resource count"
_FARGATE_VCPU = ("fargate", "L-3032A538")


class AccountQuotas:
    def __init__(self, service_quotas: Any, lambda_: Any) -> None:
        self._service_quotas = service_quotas
        self._lambda = lambda_

    def fargate_vcpu(self) -> float:
        service, code = _FARGATE_VCPU
        with named_errors("read the quota of Fargate"):
            answer = self._service_quotas.get_service_quota(ServiceCode=service, QuotaCode=code)
        return float(answer["Quota"]["Value"])

    def lambda_concurrency(self) -> int:
        with named_errors("read the limits of Lambda"):
            answer = self._lambda.get_account_settings()
        return int(answer["AccountLimit"]["UnreservedConcurrentExecutions"])


class Ec2Networks:
    def __init__(self, client: Any, subnet_ids: Sequence[str]) -> None:
        self._client = client
        self._subnet_ids = subnet_ids

    def free_addresses(self) -> Mapping[str, int]:
        with named_errors("describe the subnets"):
            answer = self._client.describe_subnets(SubnetIds=list(self._subnet_ids))
        return {each["SubnetId"]: each["AvailableIpAddressCount"] for each in answer["Subnets"]}
