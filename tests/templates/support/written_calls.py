"""Calls that no recorded run makes, each group with the reason why somebody makes them.

Three kinds. `RARE`: the product makes them on paths that the recorded suite does not take; the
reason names the code, or the suite that takes the path. `BY_AWS`: a service of AWS makes them that
the embedded AWS does not have; the reason is AWS's documentation. `REFUSED`: calls that a policy
has to refuse whatever another policy allows.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from calls import Call
from policies import ACCOUNT, REGION, RESOURCE, TRUST

_CLUSTER = {"ecs:cluster": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/airflow"}
_DAGS = "arn:aws:s3:::<airflow/StorageStack/DagBucket>"
_LOGS = "arn:aws:s3:::<airflow/StorageStack/LogBucket>"
_STATE = "arn:aws:s3:::<airflow/StorageStack/StateBucket>"
_QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:airflow-queue-default"
_SERVICE = f"arn:aws:ecs:{REGION}:{ACCOUNT}:service/airflow/api-server"
_TASK = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/airflow/ID"
_VARIABLE = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:airflow/variables/name-ID"
_CODEBUILD = (
    "recorded runs do not use it: tests/integration/embedded_aws/codebuild/"
    "test_image_by_codebuild.py"
)
_KEY = "<airflow/SecretsStack/EncryptionKeyStack/Key.Arn>"
_BY_DOCTOR = "no recorded run calls the function: tests/integration/doctor"
_DOCTOR_LOG = (
    f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:<airflow/DoctorStack/DoctorLogGroup>:log-stream:ID"
)
_DOCTOR_ROLE = f"arn:aws:iam::{ACCOUNT}:role/airflow-WorkerStack-ID-TaskRole-ID"
_BUILD_LOG = (
    f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:<airflow/ImageStack/CodeBuildStack/BuildLogGroup>"
)


@dataclass(frozen=True)
class Written:
    """Calls of one subject, and why it makes them."""

    subject: str
    policy: str
    because: str
    # The resource → the permissions for it.
    permissions: Mapping[str, tuple[str, ...]]
    context: Mapping[str, str] = field(default_factory=dict)
    principal: str = ""
    wanted: str = "Allow"

    def calls(self) -> Iterator[Call]:
        context = tuple(sorted(self.context.items()))
        for resource, actions in self.permissions.items():
            for action in actions:
                yield Call(
                    self.subject, self.policy, action, resource, context, self.principal,
                    self.wanted,
                )  # fmt: skip


_EXECUTOR = "the ECS executor (executors/ecs.py): tests/choices/test_executors.py"
_EXECUTOR_POLICY = "run-tasks-on-ecs"
_WORKLOAD = f"{_STATE}/workloads/ID.json"
_OPERATOR = "EcsRunTaskOperator in a DAG: tests/choices/test_executors.py"
_OPERATOR_CLUSTER = {
    "ecs:cluster": f"arn:aws:ecs:{REGION}:{ACCOUNT}:cluster/<airflow/EcsTasksStack/Cluster>"
}
_OPERATOR_TASK = f"arn:aws:ecs:{REGION}:{ACCOUNT}:task/<airflow/EcsTasksStack/Cluster>/ID"
_OPERATOR_GROUP = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:<airflow/EcsTasksStack/LogGroup>"
_OPERATOR_LOG = f"{_OPERATOR_GROUP}:log-stream:hello/main/ID"

# The stack with Valkey and Flower: tests/choices/test_redis_flower.py makes these calls.
_URL = "<airflow/BrokerStack/BrokerUrlSecret>"
VALKEY = (
    Written(
        "SchedulerStack/TaskRole",
        "schedule",
        "the scheduler counts the messages for the scaler (celery/queue_counts)",
        {f"{_STATE}/fleet/queue-counts.json": ("s3:PutObject",)},
    ),
    Written(
        "FleetStack/ScaleWorkersRole",
        "scale-workers",
        "the scaler reads these counts (scale_workers/aws/s3_queue_counts)",
        {f"{_STATE}/fleet/queue-counts.json": ("s3:GetObject",)},
    ),
    *(
        Written(
            f"{stack}/ExecutionRole",
            "start-task",
            "ECS gives the container the URL of the broker",
            {_URL: ("secretsmanager:GetSecretValue",)},
        )
        for stack in ("SchedulerStack", "WorkerStack", "FlowerStack")
    ),
    Written(
        "FlowerStack/ExecutionRole",
        "start-task",
        "ECS gives Flower its password, pulls the image and writes the log",
        {
            "<airflow/FlowerStack/FlowerPasswordSecret>": ("secretsmanager:GetSecretValue",),
            "*": ("ecr:GetAuthorizationToken",),
            f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/local/airflow": (
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
            ),
            (
                f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:<airflow/FlowerStack/LogGroup>"
                ":log-stream:flower/flower/ID"
            ): ("logs:CreateLogStream", "logs:PutLogEvents"),
        },
    ),
    *(
        Written(
            f"FlowerStack/{role}",
            TRUST,
            "ECS starts Flower with this role",
            {f"FlowerStack/{role}": ("sts:AssumeRole",)},
            {"aws:sourceaccount": ACCOUNT},
            principal="ecs-tasks.amazonaws.com",
        )
        for role in ("ExecutionRole", "TaskRole")
    ),
)

RARE = (
    Written(
        "DoctorStack/DoctorRole",
        "doctor",
        _BY_DOCTOR,
        {
            _DOCTOR_LOG: ("logs:CreateLogStream", "logs:PutLogEvents"),
            "*": (
                "ec2:DescribeSubnets",
                "ecs:DescribeTaskDefinition",
                "lambda:GetAccountSettings",
                "servicequotas:GetServiceQuota",
            ),
            _DOCTOR_ROLE: ("iam:SimulatePrincipalPolicy",),
            f"arn:aws:rds:{REGION}:{ACCOUNT}:db:<airflow/DatabaseStack/Database>": (
                "rds:DescribeDBInstances",
            ),
            _QUEUE: ("sqs:GetQueueAttributes",),
            f"arn:aws:sqs:{REGION}:{ACCOUNT}:airflow-QueuesStack-ID-WorkerDeadLetterQueue-ID": (
                "sqs:GetQueueAttributes",
            ),
            _STATE: ("s3:ListBucket",),
            _DAGS: ("s3:ListBucket",),
            f"{_STATE}/fleet/default/state.json": ("s3:GetObject",),
            f"{_STATE}/upgrades/quiesced.json": ("s3:GetObject",),
            f"{_DAGS}/releases/current.json": ("s3:GetObject",),
            f"{_DAGS}/releases/in-use.json": ("s3:GetObject",),
            f"{_DAGS}/releases/ID.import-errors.json": ("s3:GetObject",),
            f"{_DAGS}/releases/ID.exclusions.json": ("s3:GetObject",),
            f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/any": ("ecr:DescribeImages",),
            "<airflow/SecretsStack/FernetKeySecret>": ("secretsmanager:DescribeSecret",),
            f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:airflow-queued-default": (
                "cloudwatch:DescribeAlarms",
            ),
            f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/airflow/ID": (
                "cloudformation:DescribeStacks",
            ),
            f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:airflow-run-airflow-command": (
                "lambda:InvokeFunction",
            ),
        },
    ),
    Written(
        "DoctorStack/DoctorRole",
        "doctor",
        _BY_DOCTOR,
        {
            "*": ("ecs:ListServices", "ecs:ListTasks"),
            _SERVICE: ("ecs:DescribeServices",),
            _TASK: ("ecs:DescribeTasks",),
        },
        _CLUSTER,
    ),
    Written(
        "DoctorStack/DoctorRole",
        TRUST,
        _BY_DOCTOR,
        {"DoctorStack/DoctorRole": ("sts:AssumeRole",)},
        principal="lambda.amazonaws.com",
    ),
    Written(
        "PreflightStack/PreflightRole",
        "preflight",
        "a change of the broker asks for running workers: tests/choices/test_redis_flower.py",
        {"*": ("ecs:ListTasks",)},
        _CLUSTER,
    ),
    Written(
        "WorkerStack/QueueRole2Stack/TaskRole",
        "run",
        "an option of Airflow whose value is a secret, such as smtp_password_secret",
        {
            f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:airflow/config/smtp_password": (
                "secretsmanager:GetSecretValue",
            )
        },
    ),
    Written(
        "CommandStack/TaskRole",
        "run",
        "`variables get`, `connections test`, and every command that imports DAG files which read "
        "a variable: [secrets] backend of the image's configuration",
        {_VARIABLE: ("secretsmanager:GetSecretValue",)},
    ),
    Written(
        "CommandStack/TaskRole",
        "run",
        "`dags list`, `dags test` and other commands that import DAG files (releases/store.py); "
        "before the first release there is no pointer, and only who may list is told so",
        {_DAGS: ("s3:ListBucket",), f"{_DAGS}/releases/current.json": ("s3:GetObject",)},
    ),
    Written(
        "CommandStack/TaskRole",
        "run",
        "upgrade-schema stops the services and waits for their tasks (schema/quiescence.py): "
        "tests/upgrade",
        {
            "*": ("ecs:ListServices", "ecs:ListTasks"),
            _SERVICE: ("ecs:DescribeServices", "ecs:UpdateService"),
            _TASK: ("ecs:DescribeTasks",),
        },
        _CLUSTER,
    ),
    Written(
        "CommandStack/TaskRole",
        "run",
        "upgrade-schema takes a snapshot and notes the schema's heads (database/snapshot.py, "
        "schema/upgrade_state.py): tests/upgrade. A missing note is told to who may list",
        {
            _STATE: ("s3:ListBucket",),
            f"{_STATE}/upgrades/quiesced.json": ("s3:GetObject", "s3:PutObject"),
            f"arn:aws:rds:{REGION}:{ACCOUNT}:db:<airflow/DatabaseStack/Database>": (
                "rds:CreateDBSnapshot",
            ),
            f"arn:aws:rds:{REGION}:{ACCOUNT}:snapshot:airflow-before-upgrade-airflow-ID": (
                "rds:CreateDBSnapshot",
                "rds:DescribeDBSnapshots",
            ),
        },
    ),
    Written(
        "CommandsStack/RunAirflowCommandRole",
        "run-airflow-command",
        "the counts of the services are restored after a schema change: tests/upgrade",
        {_SERVICE: ("ecs:DescribeServices", "ecs:UpdateService")},
        _CLUSTER,
    ),
    Written(
        "CommandsStack/RunAirflowCommandRole",
        "run-airflow-command",
        "a command that takes too long is stopped (aws/ecs_task_runner.py): "
        "tests/integration/run_airflow_command",
        {_TASK: ("ecs:StopTask",)},
        _CLUSTER,
    ),
    Written(
        "CommandsStack/RotationTaskRole",
        "rotate-secret",
        "rotate-secret replaces the values: tests/rotation",
        {"<airflow/SecretsStack/FernetKeySecret>": ("secretsmanager:PutSecretValue",)},
    ),
    Written(
        "CommandsStack/RotationTaskRole",
        "rotate-secret",
        "rotate-secret restarts the services and waits for workers of the former secret "
        "(rotation/services.py, rotation/workers.py): tests/rotation",
        {
            "*": ("ecs:ListServices", "ecs:ListTasks"),
            _SERVICE: ("ecs:DescribeServices", "ecs:UpdateService"),
            _TASK: ("ecs:DescribeTasks",),
        },
        _CLUSTER,
    ),
    Written(
        "ControlPlaneStack/TaskRole",
        "run",
        "DAG files may read variables when they are parsed, and triggers read connections: "
        "[secrets] backend of the image's configuration",
        {_VARIABLE: ("secretsmanager:GetSecretValue",)},
    ),
    Written(
        "ControlPlaneStack/TaskRole",
        "schedule",
        "a task that could not be queued gets the reason (patches/scheduler/unsent_tasks.py)",
        {f"{_LOGS}/logs/dag_id=d/run_id=r/task_id=t/1.log.scheduler.log": ("s3:PutObject",)},
    ),
    Written(
        "SchedulerStack/TaskRole",
        "publish-forecast",
        "the forecast, in classes that start workers ahead (forecast/publisher.py)",
        {f"{_STATE}/fleet/forecast.json": ("s3:PutObject",)},
    ),
    Written(
        "DeliveryStack/PublishDagsRole",
        "publish-dags",
        "a zip that cannot be a release (publish_dags/aws/s3_inbox.py): tests/releases",
        {f"{_DAGS}/inbox/dags.zip.refused.json": ("s3:PutObject",)},
    ),
    Written(
        "DeliveryStack/PublishDagsRole",
        "publish-dags",
        "old releases are removed (aws/s3_release_shelf.py): tests/releases",
        {
            f"{_DAGS}/releases/20260101T000000-ID.json": ("s3:DeleteObject",),
            f"{_DAGS}/releases/archives/20260101T000000-ID.zip": ("s3:DeleteObject",),
        },
    ),
    Written(
        "ImageStack/BuildImageRole",
        "build-image",
        "the second image of a repository takes over layers of the first one "
        "(build_image/aws/ecr_repository.py, tests/fleet/test_2_image.py)",
        {
            "<airflow/ImageStack/Repository.Arn>": (
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
            )
        },
    ),
    Written(
        "ImageStack/BuildImageRole",
        "build-image",
        "a build that does not fit into one call is continued by another "
        "(build_image/aws/lambda_continuation.py)",
        {
            f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:airflow-build-image": (
                "lambda:InvokeFunction",
            )
        },
    ),
    Written(
        "ImageStack/BuildImageRole",
        "build-image",
        "the scan of the image is awaited (build_image/aws/ecr_scans.py, "
        "tests/integration/embedded_aws/ecr/test_refused_image.py)",
        {"<airflow/ImageStack/Repository.Arn>": ("ecr:DescribeImageScanFindings",)},
    ),
    Written(
        "ImageStack/BuildImageRole",
        "build-image",
        "a rollback is never refused by a scan (shared/aws/cloudformation_stacks.py, "
        "tests/integration/embedded_aws/ecr/test_refused_image.py)",
        {"<stack-id>": ("cloudformation:DescribeStacks",)},
    ),
    Written(
        "ImageStack/BuildImageRole",
        "build-with-codebuild",
        f"CodeBuild builds the image in the function's place (build_image/codebuild); {_CODEBUILD}",
        {
            "<airflow/ImageStack/CodeBuildStack/Project.Arn>": (
                "codebuild:BatchGetBuilds",
                "codebuild:StartBuild",
                "codebuild:StopBuild",
            ),
            f"{_STATE}/image-source/ID.zip": ("s3:PutObject",),
            f"{_BUILD_LOG}:log-stream:ID": ("logs:GetLogEvents",),
        },
    ),
    Written(
        "ImageStack/BuildImageRole",
        "use-key",
        "with the word customer-key, Lambda decrypts the function's variables with its role",
        {_KEY: ("kms:Decrypt",)},
        {"kms:viaservice": f"lambda.{REGION}.amazonaws.com"},
    ),
    Written(
        "ImageStack/BuildImageRole",
        "use-key",
        "with the words customer-key and codebuild, the source is stored in an encrypted bucket "
        "(build_image/aws/s3_source_store.py)",
        {_KEY: ("kms:GenerateDataKey",)},
        {"kms:viaservice": f"s3.{REGION}.amazonaws.com"},
    ),
    Written(
        "ImageStack/CodeBuildStack/ProjectRole",
        "use-key",
        "with the word customer-key, a build reads its source in an encrypted bucket",
        {_KEY: ("kms:Decrypt",)},
        {"kms:viaservice": f"s3.{REGION}.amazonaws.com"},
    ),
    Written(
        "ImageStack/CodeBuildStack/ProjectRole",
        TRUST,
        f"CodeBuild runs a build with the project's role; {_CODEBUILD}",
        {"ImageStack/CodeBuildStack/ProjectRole": ("sts:AssumeRole",)},
        {"aws:sourceaccount": ACCOUNT},
        principal="codebuild.amazonaws.com",
    ),
    Written(
        "ImageStack/CodeBuildStack/ProjectRole",
        "build",
        f"a build reads its source, signs in, pushes the image and writes its log; {_CODEBUILD}",
        {
            "*": ("ecr:GetAuthorizationToken",),
            f"{_STATE}/image-source/ID.zip": ("s3:GetObject",),
            f"{_BUILD_LOG}:log-stream:ID": ("logs:CreateLogStream", "logs:PutLogEvents"),
            "<airflow/ImageStack/Repository.Arn>": (
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:CompleteLayerUpload",
                "ecr:InitiateLayerUpload",
                "ecr:PutImage",
                "ecr:UploadLayerPart",
            ),
        },
    ),
    Written(
        "SchedulerStack/TaskRole",
        _EXECUTOR_POLICY,
        _EXECUTOR,
        {
            f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/airflow-worker:1": ("ecs:RunTask",),
            f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/airflow-executor-geo:1": (
                "ecs:RunTask",
            ),
            _TASK: ("ecs:DescribeTasks", "ecs:StopTask"),
        },
        _CLUSTER,
    ),
    Written(
        "SchedulerStack/TaskRole",
        _EXECUTOR_POLICY,
        _EXECUTOR,
        {_TASK: ("ecs:TagResource",)},
        {**_CLUSTER, "ecs:createaction": "RunTask"},
    ),
    Written(
        "SchedulerStack/TaskRole",
        _EXECUTOR_POLICY,
        _EXECUTOR,
        {
            "<airflow/WorkerStack/ExecutionRole.Arn>": ("iam:PassRole",),
            "<airflow/WorkerStack/TaskRole.Arn>": ("iam:PassRole",),
        },
        {"iam:passedtoservice": "ecs-tasks.amazonaws.com"},
    ),
    Written(
        "WorkerStack/TaskRole",
        "run-other-images",
        _OPERATOR,
        {
            f"arn:aws:ecs:{REGION}:{ACCOUNT}:task-definition/airflow-task-hello:1": (
                "ecs:RunTask",
            ),
            _OPERATOR_TASK: ("ecs:DescribeTasks", "ecs:StopTask"),
            "*": ("ecs:ListTasks",),
        },
        _OPERATOR_CLUSTER,
    ),
    Written(
        "WorkerStack/TaskRole",
        "run-other-images",
        _OPERATOR,
        {_OPERATOR_TASK: ("ecs:TagResource",)},
        {**_OPERATOR_CLUSTER, "ecs:createaction": "RunTask"},
    ),
    Written(
        "WorkerStack/TaskRole",
        "run-other-images",
        _OPERATOR,
        {
            "<airflow/EcsTasksStack/ExecutionRole.Arn>": ("iam:PassRole",),
            "<airflow/EcsTasksStack/TaskRole.Arn>": ("iam:PassRole",),
        },
        {"iam:passedtoservice": "ecs-tasks.amazonaws.com"},
    ),
    Written(
        "WorkerStack/TaskRole",
        "run-other-images",
        _OPERATOR,
        {_OPERATOR_LOG: ("logs:GetLogEvents",)},
    ),
    Written(
        "TriggererStack/TaskRole",
        "wait-for-other-images",
        _OPERATOR,
        {_OPERATOR_TASK: ("ecs:DescribeTasks",)},
        _OPERATOR_CLUSTER,
    ),
    Written(
        "TriggererStack/TaskRole",
        "wait-for-other-images",
        _OPERATOR,
        {_OPERATOR_LOG: ("logs:GetLogEvents",)},
    ),
    Written(
        "FleetStack/ScaleWorkersRole",
        "scale-workers",
        "tasks of operators end when the stack is deleted: tests/choices/test_executors.py",
        {"*": ("ecs:ListTasks",), _OPERATOR_TASK: ("ecs:DescribeTasks", "ecs:StopTask")},
        _OPERATOR_CLUSTER,
    ),
    Written(
        "EcsTasksStack/ExecutionRole",
        "start-task",
        _OPERATOR,
        {
            f"{_OPERATOR_GROUP}:log-stream:hello/main/ID": (
                "logs:CreateLogStream",
                "logs:PutLogEvents",
            ),
            "*": ("ecr:GetAuthorizationToken",),
            f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/hello": (
                "ecr:BatchCheckLayerAvailability",
                "ecr:BatchGetImage",
                "ecr:GetDownloadUrlForLayer",
            ),
        },
    ),
    Written(
        "WorkerStack/TaskRole",
        "take-over-workload",
        _EXECUTOR,
        {_WORKLOAD: ("s3:GetObject", "s3:DeleteObject")},
    ),
)

_INSPECTOR = (
    "https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-enhanced-iam.html"
)
_EXEC = "https://docs.aws.amazon.com/AmazonECS/latest/developerguide/ecs-exec.html"
_EXEC_LOG = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:airflow-ClusterStack-ID-ExecLogGroup-ID"
_EXEC_ROLES = ("ApiServerStack", "ControlPlaneStack", "WorkerStack")
_OPEN_SHELL = "open-shell-for-operators"

BY_AWS = (
    *(
        Written(
            f"{stack}/TaskRole",
            _OPEN_SHELL,
            f"the agent of ECS Exec opens the session with the task's role: {_EXEC}",
            {
                "*": (
                    "ssmmessages:CreateControlChannel",
                    "ssmmessages:CreateDataChannel",
                    "ssmmessages:OpenControlChannel",
                    "ssmmessages:OpenDataChannel",
                )
            },
        )
        for stack in _EXEC_ROLES
    ),
    *(
        Written(
            f"{stack}/TaskRole",
            _OPEN_SHELL,
            f"ECS Exec with a key of the account decrypts with the task's role: {_EXEC}",
            {f"arn:aws:kms:{REGION}:{ACCOUNT}:key/ID": ("kms:Decrypt",)},
            {"kms:resourcealiases": "alias/airflow-exec"},
        )
        for stack in _EXEC_ROLES
    ),
    *(
        Written(
            f"{stack}/TaskRole",
            _OPEN_SHELL,
            f"ECS Exec writes what was typed and shown to the cluster's log group: {_EXEC}",
            {
                f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:*": ("logs:DescribeLogGroups",),
                f"{_EXEC_LOG}:log-stream:": ("logs:DescribeLogStreams",),
                f"{_EXEC_LOG}:log-stream:ecs-execute-command-ID": (
                    "logs:CreateLogStream",
                    "logs:PutLogEvents",
                ),
            },
        )
        for stack in _EXEC_ROLES
    ),
    Written(
        "ImageStack/BuildImageRole",
        "build-image",
        "ECR asks Inspector for findings in the name of the caller, where it scans the registry: "
        f"{_INSPECTOR}",
        {"*": ("inspector2:ListCoverage", "inspector2:ListFindings")},
        {"aws:viaawsservice": "true"},
    ),
    Written(
        "ClusterStack/ExecKey",
        RESOURCE,
        "CloudWatch Logs encrypts and decrypts the session's log with the key of its group: "
        "https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html",
        {
            f"arn:aws:kms:{REGION}:{ACCOUNT}:key/ID": (
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:Encrypt",
                "kms:GenerateDataKey",
                "kms:ReEncryptFrom",
            )
        },
        {"kms:encryptioncontext:aws:logs:arn": _EXEC_LOG},
        f"logs.{REGION}.amazonaws.com",
    ),
    Written(
        "ClusterStack/ExecKey",
        RESOURCE,
        "without this statement nobody can change the key, and policies of roles do not count: "
        "https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html",
        {f"arn:aws:kms:{REGION}:{ACCOUNT}:key/ID": ("kms:Decrypt", "kms:PutKeyPolicy")},
        {},
        f"arn:aws:iam::{ACCOUNT}:root",
    ),
)

_OF_TEAM = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:airflow/queues/team/name-ID"
_PLAIN = {"aws:securetransport": "false"}
_CALLER = f"arn:aws:sts::{ACCOUNT}:assumed-role/caller/session"
_OTHER_ACCOUNT = "111111111111"

REFUSED = (
    *(
        Written(
            f"{stack}/TaskRole",
            "run",
            "the secrets of an isolated queue are read with its own role only",
            {_OF_TEAM: ("secretsmanager:GetSecretValue",)},
            wanted="Deny",
        )
        for stack in ("ApiServerStack", "CommandStack", "ControlPlaneStack", "WorkerStack")
    ),
    Written(
        "WorkerStack/TaskRole",
        "run",
        "the messages of an isolated queue are taken with its own role only",
        {
            f"arn:aws:sqs:{REGION}:{ACCOUNT}:airflow-queue-team": (
                "sqs:ChangeMessageVisibility",
                "sqs:DeleteMessage",
                "sqs:GetQueueAttributes",
                "sqs:ReceiveMessage",
            )
        },
        wanted="Deny",
    ),
    *(
        Written(
            f"StorageStack/{bucket}",
            RESOURCE,
            "nothing is read or written without TLS",
            {f"<airflow/StorageStack/{bucket}.Arn>/key": ("s3:GetObject", "s3:PutObject")},
            _PLAIN,
            _CALLER,
            "Deny",
        )
        for bucket in ("DagBucket", "LogBucket", "StateBucket")
    ),
    *(
        Written(
            f"QueuesStack/{queue}",
            RESOURCE,
            "nothing is queued without TLS",
            {_QUEUE: ("sqs:SendMessage", "sqs:ReceiveMessage")},
            _PLAIN,
            _CALLER,
            "Deny",
        )
        for queue in ("WorkerQueue", "WorkerQueue1", "WorkerDeadLetterQueue")
    ),
    *(
        Written(
            f"QueuesStack/{queue}",
            RESOURCE,
            "a message is code that a worker runs: none comes from another account",
            {_QUEUE: ("sqs:SendMessage", "sqs:ReceiveMessage")},
            {"aws:principalaccount": _OTHER_ACCOUNT, "aws:principalisawsservice": "false"},
            f"arn:aws:sts::{_OTHER_ACCOUNT}:assumed-role/caller/session",
            "Deny",
        )
        for queue in ("WorkerQueue", "WorkerQueue1", "WorkerDeadLetterQueue")
    ),
)

CALLS: tuple[Call, ...] = tuple(
    call for written in (*RARE, *BY_AWS, *REFUSED) for call in written.calls()
)
