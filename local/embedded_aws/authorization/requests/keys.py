"""KMS: what is encrypted with a key of the account is read and written only with the key.

S3, SQS, SNS and Secrets Manager ask KMS for the caller, with `kms:ViaService`, so that the caller
needs the permission; CloudWatch and EventBridge ask for themselves, by the key's policy.
ministack 1.5.33 stores which key a resource names, and asks nobody.
"""

import re
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import get_region
from ministack.services import kms, s3, secretsmanager, sns, sqs

from embedded_aws.authorization.requests.request import ApiRequest, Permission

DECRYPT = "kms:Decrypt"
GENERATE = "kms:GenerateDataKey"
_KEY_OF_BUCKET = re.compile(r"<KMSMasterKeyID>([^<]+)<")
# What a request asks of the key of its secret or topic.
_ACTIONS = {
    "secretsmanager:GetSecretValue": (DECRYPT,),
    "secretsmanager:PutSecretValue": (GENERATE, DECRYPT),
    "sns:Publish": (GENERATE, DECRYPT),
}


def needs(request: ApiRequest) -> list[Permission] | None:
    """The permissions of a request to Secrets Manager or SNS."""
    actions = _ACTIONS.get(request.action)
    if actions is None:
        return None
    service = request.action.partition(":")[0]
    if service == "sns":
        key = key_of_topic(request.parameter("TopicArn") or request.stock_resource)
    else:
        key = key_of_secret(str(request.body.get("SecretId") or ""))
    return [
        Permission(request.action, request.stock_resource),
        *permissions(key, service, *actions),
    ]


def permissions(key: str, service: str, *actions: str) -> list[Permission]:
    """What a caller needs of a key through a service; nothing where AWS's own key encrypts."""
    if ":key/" not in key:
        return []
    context = {"kms:ViaService": f"{service}.{get_region()}.amazonaws.com"}
    return [Permission(action, key, context) for action in actions]


def policy_of(key: str) -> Any:
    """The policy of a key; empty if it has none."""
    return (kms._resolve_key(key) or {}).get("Policy") or "{}"


def key_of_bucket(bucket: str) -> str:
    """The key that encrypts the objects of a bucket; empty for S3's own."""
    found = _KEY_OF_BUCKET.search(s3._bucket_encryption.get(bucket) or "")
    return found[1] if found else ""


def key_of_queue(queue: Mapping[str, Any] | None) -> str:
    return str(((queue or {}).get("attributes") or {}).get("KmsMasterKeyId") or "")


def key_of_queue_arn(arn: str) -> str:
    return key_of_queue(sqs._queue_by_arn(arn))


def key_of_topic(arn: str) -> str:
    topic = sns._topics.get(arn) or {}
    return str((topic.get("attributes") or {}).get("KmsMasterKeyId") or "")


def key_of_secret(secret_id: str) -> str:
    _name, secret = secretsmanager._resolve(secret_id)
    return str((secret or {}).get("KmsKeyId") or "")
