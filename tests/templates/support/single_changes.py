"""One change of each root parameter, alone or with what its rules ask for."""

from collections.abc import Mapping
from typing import Any, Final

CERTIFICATE: Final = "arn:aws:acm:us-east-1:123456789012:certificate/1"
SECRET: Final = "arn:aws:secretsmanager:us-east-1:123456789012:secret:kept-AbCdEf"

# Deployed first: with a separate control plane, in which every parameter has a meaning.
BEFORE: Final[Mapping[str, str]] = {"EnvironmentClass": "small"}

# A word of Options → the parameters that turn it on.
WORDS: Final[Mapping[str, Mapping[str, Any]]] = {
    # Preflight refuses this one: the database would be replaced.
    "Options=customer-key": {"Options": "customer-key"},
    "Options=access-logs": {"Options": "access-logs"},
    "Options=flow-logs": {"Options": "flow-logs"},
    "Options=waf": {"Options": "waf"},
    "Options=rotate-secrets": {"Options": "rotate-secrets"},
    "Options=refuse-critical": {"Options": "refuse-critical"},
    "Options=codebuild": {"Options": "codebuild"},
    "Options=metrics": {"Options": "metrics"},
    "Options=redis": {"Options": "redis"},
    "Options=redis,flower": {"Options": "redis,flower"},
}
# Every word at once, as far as a first deployment may have it; without and with Valkey.
WORDS_WITH_SQS: Final = (
    "x86,exec,customer-key,access-logs,flow-logs,waf,rotate-secrets,refuse-critical,refuse-high,"
    "codebuild,metrics"
)
ALL_WORDS: Final = f"{WORDS_WITH_SQS},redis,flower"

# Parameter → the parameters that change with it. The first one is the one that is meant.
AFTER: Final[Mapping[str, Mapping[str, Any]]] = {
    "EnvironmentClass": {"EnvironmentClass": "medium"},
    "AdminEmail": {"AdminEmail": "team@example.com"},
    "IngressMode": {"IngressMode": "internal", "IngressCidr": "10.0.0.0/8"},
    "DomainName": {"DomainName": "airflow.example.com", "CertificateArn": CERTIFICATE},
    "HostedZoneId": {
        "HostedZoneId": "Z0123456789",
        "DomainName": "airflow.example.com",
        "CertificateArn": CERTIFICATE,
    },
    "CertificateArn": {"CertificateArn": CERTIFICATE, "DomainName": "airflow.example.com"},
    "IngressCidr": {"IngressCidr": "10.0.0.0/8", "IngressMode": "internal"},
    # Preflight refuses this one: everything in the network would be replaced.
    "Vpc": {"Vpc": "10.1.0.0/16"},
    "PublicSubnetIds": {"PublicSubnetIds": "subnet-1,subnet-2"},
    "PrivateSubnetIds": {"PrivateSubnetIds": "subnet-3,subnet-4"},
    "NetworkMode": {"NetworkMode": "single-nat"},
    # In the place of the image that the stack builds.
    "AirflowImageUri": {"AirflowImageUri": "example/airflow:1"},
    "AirflowConfiguration": {"AirflowConfiguration": '{"core": {"parallelism": 64}}'},
    "Executors": {"Executors": "celery,ecs"},
    "DagReleases": {"DagReleases": '{"kept": 10}'},
    "ApiServerTasks": {"ApiServerTasks": "2x1024/3072"},
    "SchedulerTasks": {"SchedulerTasks": "2x1024/2048"},
    "DagProcessorTasks": {"DagProcessorTasks": "1x1024/2048"},
    "TriggererTasks": {"TriggererTasks": "2x512/1024"},
    "Database": {"Database": "db.t4g.large/50/multi-az"},
    "Options": {"Options": "protected"},
    "WorkerMaxCount": {"WorkerMaxCount": "20"},
    "WorkerQueueNames": {"WorkerQueueNames": "heavy"},
    "WorkerFleets": {"WorkerFleets": '{"default": {"size": "2048/8192/16", "spareSlots": 4}}'},
    "FernetKeySecretArn": {"FernetKeySecretArn": SECRET},
}
