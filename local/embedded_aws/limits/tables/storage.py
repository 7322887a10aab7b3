"""S3, SQS, RDS, Secrets Manager."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from embedded_aws.limits.resources import Resource
from embedded_aws.limits.rules import Choice, Number, PolicyDocument, Text, Unlimited
from embedded_aws.limits.tables.network import ARN, EC2_ID

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
BUCKET_NAME: Final = Text(
    "S3: bucket naming rules",
    r"(?!xn--|sthree-|amzn-s3-demo-)(?!\d{1,3}(\.\d{1,3}){3}$)(?!.*\.\.)"
    r"(?!.*(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$)[a-z0-9][a-z0-9.-]*[a-z0-9]",
    least=3, most=63,
)  # fmt: skip
QUEUE_NAME: Final = Text("SQS: CreateQueue", r"[A-Za-z0-9_-]+(\.fifo)?", most=80)
QUEUE_URL: Final = Text("SQS: the URL of a queue", r"https?://\S+")
RDS_IDENTIFIER: Final = Text("RDS: CreateDBInstance", r"[A-Za-z](-?[A-Za-z0-9])*", most=63)
# What PostgreSQL and RDS keep for themselves.
_RESERVED_USERS: Final = (
    "admin", "rdsadmin", "rds_superuser", "rds_password", "rds_iam", "rds_replication",
    "rdsrepladmin", "rdstopmgr", "public", "user", "all", "none", "current_user", "session_user",
)  # fmt: skip


def _redrive(properties: Mapping[str, Any]) -> Iterator[str]:
    policy = properties.get("RedrivePolicy")
    if policy is None:
        return
    policy = json.loads(policy) if isinstance(policy, str) else policy
    least = Number("SQS: maxReceiveCount", 1, 1000)
    for problem in least.problems(policy.get("maxReceiveCount")):
        yield f"RedrivePolicy.maxReceiveCount {problem}"
    if "deadLetterTargetArn" not in policy:
        yield "RedrivePolicy has no deadLetterTargetArn (SQS)"


def _lifecycle(properties: Mapping[str, Any]) -> Iterator[str]:
    rules = (properties.get("LifecycleConfiguration") or {}).get("Rules") or []
    ids = [rule["Id"] for rule in rules if "Id" in rule]
    for twice in sorted({one for one in ids if ids.count(one) > 1}):
        yield f"LifecycleConfiguration has the rule {twice} twice (S3)"
    for rule in rules:
        actions = rule.keys() - {"Id", "Status", "Prefix", "TagFilters", "ObjectSizeGreaterThan",
                                 "ObjectSizeLessThan"}  # fmt: skip
        if not actions:
            yield f"LifecycleConfiguration has the rule {rule.get('Id')} without an action (S3)"
        if rule.get("ExpiredObjectDeleteMarker") and (
            "ExpirationInDays" in rule or "ExpirationDate" in rule
        ):
            yield "ExpiredObjectDeleteMarker cannot be specified with Days or Date (S3)"


_DAYS: Final = Number("S3: lifecycle; days are above zero", 1)

LIMITS: Final = {
    "AWS::S3::Bucket": Resource(
        rules={
            "BucketName": BUCKET_NAME,
            "VersioningConfiguration.Status": Choice("S3", ("Enabled", "Suspended")),
            "LifecycleConfiguration.Rules[].Id": Text("S3: LifecycleRule", most=255),
            "LifecycleConfiguration.Rules[].Status": Choice("S3", ("Enabled", "Disabled")),
            "LifecycleConfiguration.Rules[].Prefix": Text("S3: LifecycleRule", least=0, most=1024),
            "LifecycleConfiguration.Rules[].ExpirationInDays": _DAYS,
            "LifecycleConfiguration.Rules[].NoncurrentVersionExpiration.NoncurrentDays": _DAYS,
            "LifecycleConfiguration.Rules[].NoncurrentVersionExpiration.NewerNoncurrentVersions": (
                Number("S3: NoncurrentVersionExpiration", 1, 100)
            ),
            "LifecycleConfiguration.Rules[].AbortIncompleteMultipartUpload.DaysAfterInitiation": (
                _DAYS
            ),
            "BucketEncryption.ServerSideEncryptionConfiguration[].ServerSideEncryptionByDefault"
            ".SSEAlgorithm": Choice("S3", ("AES256", "aws:kms", "aws:kms:dsse")),
            "BucketEncryption.ServerSideEncryptionConfiguration[].ServerSideEncryptionByDefault"
            ".KMSMasterKeyID": Unlimited("KMS resolves it"),
            "OwnershipControls.Rules[].ObjectOwnership": Choice(
                "S3", ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")
            ),
        },
        checks=(_lifecycle,),
    ),
    "AWS::S3::BucketPolicy": Resource(
        rules={
            "Bucket": BUCKET_NAME,
            "PolicyDocument": PolicyDocument("S3: PutBucketPolicy", 20480, sid=".*"),
        }
    ),
    "AWS::SQS::Queue": Resource(
        rules={
            "QueueName": QUEUE_NAME,
            "VisibilityTimeout": Number("SQS: SetQueueAttributes", 0, 43200),
            "MessageRetentionPeriod": Number("SQS: SetQueueAttributes", 60, 1209600),
            "DelaySeconds": Number("SQS: SetQueueAttributes", 0, 900),
            "ReceiveMessageWaitTimeSeconds": Number("SQS: SetQueueAttributes", 0, 20),
            "MaximumMessageSize": Number("SQS: SetQueueAttributes", 1024, 1048576),
            "KmsMasterKeyId": Unlimited("KMS resolves it"),
            "RedrivePolicy": Unlimited("looked at by the check of the policy"),
        },
        checks=(_redrive,),
    ),
    "AWS::SQS::QueuePolicy": Resource(
        rules={
            "Queues[]": QUEUE_URL,
            "PolicyDocument": PolicyDocument("SQS: SetQueueAttributes", 8192, sid=".*"),
        }
    ),
    "AWS::RDS::DBInstance": Resource(
        rules={
            "DBInstanceIdentifier": RDS_IDENTIFIER,
            "DBInstanceClass": Text("RDS: classes", r"db\.[a-z0-9-]+\.[a-z0-9]+"),
            "Engine": Text("RDS: engines", r"[a-z0-9-]+"),
            "EngineVersion": Text("RDS: versions", r"\d+(\.\d+)*(-R\d+|-rds\.\d+)?"),
            "StorageType": Choice("RDS", ("gp2", "gp3", "io1", "io2", "standard")),
            "AllocatedStorage": Number("RDS: gp3 of PostgreSQL", 20, 65536),
            "MaxAllocatedStorage": Number("RDS: gp3 of PostgreSQL", 22, 65536),
            # It begins with a letter; a reserved word would need quotes everywhere.
            "DBName": Text(
                "RDS: CreateDBInstance",
                r"[A-Za-z][A-Za-z0-9_]*",
                most=63,
                reserved=("template0", "template1", "rdsadmin", "user"),
            ),
            "MasterUsername": Text(
                "RDS: CreateDBInstance",
                r"(?!pg_)[A-Za-z][A-Za-z0-9_]*",
                most=63,
                reserved=_RESERVED_USERS,
            ),
            "MasterUserPassword": Text(
                "RDS: CreateDBInstance", r"""[!#-.0-?A-~]+""", least=8, most=128, is_secret=True
            ),
            "DBSnapshotIdentifier": Text(
                "RDS: a snapshot's name or ARN", r"[A-Za-z0-9:-]+", most=255
            ),
            "DBSubnetGroupName": Text("RDS: CreateDBSubnetGroup", r"[A-Za-z0-9._ -]+", most=255),
            "VPCSecurityGroups[]": EC2_ID,
            "BackupRetentionPeriod": Number("RDS: CreateDBInstance", 0, 35),
            "DeletionProtection": Choice("RDS", ("true", "false")),
            "MultiAZ": Choice("RDS", ("true", "false")),
            "PreferredBackupWindow": Text("RDS", r"\d\d:\d\d-\d\d:\d\d"),
            "PreferredMaintenanceWindow": Text("RDS", r"[a-z]{3}:\d\d:\d\d-[a-z]{3}:\d\d:\d\d"),
            "Port": Number("RDS: CreateDBInstance", 1150, 65535),
            "CACertificateIdentifier": Text("RDS", r"[a-z0-9-]+"),
            "KmsKeyId": Unlimited("KMS resolves it"),
            "DBParameterGroupName": Text("RDS", r"[A-Za-z](-?[A-Za-z0-9.])*", most=255),
        },
    ),
    "AWS::RDS::DBSubnetGroup": Resource(
        rules={
            "DBSubnetGroupName": Text(
                "RDS: CreateDBSubnetGroup", r"[A-Za-z0-9._ -]+", most=255, reserved=("default",)
            ),
            "DBSubnetGroupDescription": Text("RDS: printable ASCII", r"[ -~]+", most=255),
            "SubnetIds[]": EC2_ID,
        }
    ),
    "AWS::SecretsManager::Secret": Resource(
        "secretsmanager:CreateSecret",
        members={
            f"GenerateSecretString.{name}": f"secretsmanager:GetRandomPassword:{name}"
            for name in ("PasswordLength", "ExcludeCharacters")
        },
        rules={
            # A hyphen and six characters at the end look like the suffix of an ARN.
            "Name": Text("Secrets Manager: CreateSecret", r"[A-Za-z0-9/_+=.@-]+", most=512),
            "GenerateSecretString.SecretStringTemplate": Text("Secrets Manager", r"\{.*\}"),
            "GenerateSecretString.GenerateStringKey": Text("Secrets Manager", most=4096),
        },
    ),
    "AWS::SecretsManager::ResourcePolicy": Resource(
        rules={
            "SecretId": ARN,
            "ResourcePolicy": PolicyDocument("Secrets Manager", 20480, sid=".*"),
        }
    ),
}
