"""What must survive: names and blocks here are frozen, because a change loses data.

CloudFormation replaces a resource whose logical id changes, and generates a new secret when its
GenerateSecretString block changes in any way.
"""

import pytest
from template_files import TemplateFile, all_templates, nested

# Written while the stack is still created, so a failed creation could not delete them.
RETAINED = ("Retain", "Retain")

# Template, logical id → deletion policy, replacement policy.
STATE = {
    ("broker-redis.yaml", "BrokerTokenSecret"): ("Delete", "Delete"),
    ("broker-redis.yaml", "BrokerUrlSecret"): ("Delete", "Delete"),
    ("flower.yaml", "FlowerPasswordSecret"): ("Delete", "Delete"),
    ("storage.yaml", "DagBucket"): RETAINED,
    ("storage.yaml", "LogBucket"): RETAINED,
    ("storage.yaml", "StateBucket"): RETAINED,
    ("access-logs.yaml", "AccessLogBucket"): RETAINED,
    # Of the pipeline, which is a stack of its own.
    ("template.yaml", "ArtifactBucket"): RETAINED,
    ("database.yaml", "Database"): ("Snapshot", "Snapshot"),
    ("database.yaml", "DatabasePasswordSecret"): ("Delete", "Retain"),
    ("database.yaml", "AirflowPasswordSecret"): ("Delete", "Retain"),
    ("database.yaml", "ResultBackendPasswordSecret"): ("Delete", "Retain"),
    ("database.yaml", "AirflowUrlSecret"): ("Delete", "Delete"),
    # Without it nobody can read the snapshot and the buckets that a deletion leaves.
    ("encryption-key.yaml", "Key"): ("RetainExceptOnCreate", "Retain"),
    ("cluster.yaml", "ExecKey"): ("Delete", "Delete"),
    ("database.yaml", "SqlAlchemyConnSecret"): ("Delete", "Delete"),
    ("database.yaml", "ResultBackendSecret"): ("Delete", "Delete"),
    ("secrets.yaml", "FernetKeySeedSecret"): ("Delete", "Retain"),
    ("secrets.yaml", "FernetKeySecret"): ("RetainExceptOnCreate", "Retain"),
    ("secrets.yaml", "JwtSecret"): ("Delete", "Delete"),
    ("secrets.yaml", "ApiSecretKeySecret"): ("Delete", "Delete"),
    ("secrets.yaml", "SessionKeySecret"): ("Delete", "Delete"),
    ("secrets.yaml", "AdminPasswordSecret"): ("Delete", "Delete"),
    ("delivery.yaml", "DagChangesQueue"): ("Delete", "Delete"),
    ("queues.yaml", "WorkerQueue"): ("Delete", "Delete"),
    ("queues.yaml", "WorkerDeadLetterQueue"): ("Delete", "Delete"),
    **{("queues.yaml", f"WorkerQueue{place}"): ("Delete", "Delete") for place in range(1, 9)},
}
GENERATED = {
    "BrokerTokenSecret": {"PasswordLength": 64, "ExcludePunctuation": True},
    "FlowerPasswordSecret": {"PasswordLength": 24, "ExcludePunctuation": True},
    "FernetKeySeedSecret": {"PasswordLength": 43, "ExcludePunctuation": True},
    "JwtSecret": {"PasswordLength": 64, "ExcludePunctuation": True},
    "ApiSecretKeySecret": {"PasswordLength": 64, "ExcludePunctuation": True},
    "SessionKeySecret": {"PasswordLength": 64, "ExcludePunctuation": True},
    "AdminPasswordSecret": {"PasswordLength": 24, "ExcludePunctuation": True},
    "DatabasePasswordSecret": {"PasswordLength": 40, "ExcludePunctuation": True},
    "AirflowPasswordSecret": {"PasswordLength": 40, "ExcludePunctuation": True},
    "ResultBackendPasswordSecret": {"PasswordLength": 40, "ExcludePunctuation": True},
}
# Database properties whose change makes a new, empty database.
DATABASE_IDENTITY = {
    "Engine": "postgres",
    "DBName": "airflow",
    "MasterUsername": "airflow",
    "StorageEncrypted": True,
    "DBSubnetGroupName": {"Ref": "DatabaseSubnetGroup"},
}
STATEFUL_TYPES = (
    "AWS::KMS::Key",
    "AWS::RDS::DBInstance",
    "AWS::S3::Bucket",
    "AWS::SecretsManager::Secret",
    "AWS::SQS::Queue",
)


def test_state_keeps_its_ids_and_policies() -> None:
    found = {
        (template.name, name): (resource["DeletionPolicy"], resource["UpdateReplacePolicy"])
        for template in all_templates()
        for name, resource in template.of_type(*STATEFUL_TYPES).items()
    }

    assert found == STATE


def test_generated_secrets_keep_their_blocks() -> None:
    found = {
        name: secret["Properties"]["GenerateSecretString"]
        for template in all_templates()
        for name, secret in template.of_type("AWS::SecretsManager::Secret").items()
        if "GenerateSecretString" in secret["Properties"]
    }

    assert found == GENERATED


@pytest.mark.parametrize(
    ("name", "url"),
    [
        (
            "SqlAlchemyConnSecret",
            "postgresql+psycopg2://airflow:{{resolve:secretsmanager:${DatabasePasswordSecret}}}@"
            "${Database.Endpoint.Address}:${Database.Endpoint.Port}/airflow",
        ),
        (
            "ResultBackendSecret",
            "db+postgresql+psycopg2://result_backend:"
            "{{resolve:secretsmanager:${ResultBackendPasswordSecret}}}@"
            "${Database.Endpoint.Address}:${Database.Endpoint.Port}/result_backend",
        ),
    ],
)
def test_secrets_of_the_former_version_keep_their_values(name: str, url: str) -> None:
    """Its tasks read them when they start: during an update, and when it is rolled back."""
    secret = nested("database").resources[name]["Properties"]["SecretString"]

    assert secret == {"Fn::Sub": url}


def test_database_keeps_its_identity() -> None:
    properties = nested("database").resources["Database"]["Properties"]

    assert {name: properties[name] for name in DATABASE_IDENTITY} == DATABASE_IDENTITY
    assert "DBInstanceIdentifier" not in properties
    assert "DBSnapshotIdentifier" not in properties


def test_fernet_key_is_the_seed_and_its_padding() -> None:
    secret = nested("secrets").resources["FernetKeySecret"]["Properties"]["SecretString"]

    assert secret == {"Fn::Sub": "{{resolve:secretsmanager:${FernetKeySeedSecret}}}="}


@pytest.mark.parametrize("template", all_templates(), ids=lambda template: template.name)
def test_plain_secrets_are_composed_of_references(template: TemplateFile) -> None:
    for secret in template.of_type("AWS::SecretsManager::Secret").values():
        text = str(secret["Properties"].get("SecretString", "{{resolve:secretsmanager:"))
        assert "{{resolve:secretsmanager:" in text
