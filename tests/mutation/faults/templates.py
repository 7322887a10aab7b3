"""Faults in the templates."""

from tests.mutation.mutant import Mutant

FAULTS = (
    # ---- Values that only a service's API restricts ----
    Mutant(
        "apostrophe-in-rule",
        "nested/cluster.yaml",
        "Description: Log server of a worker, read by the api-server while a task runs",
        "Description: A worker's log server, read by the api-server while a task runs",
        "EC2 refuses the apostrophe, and the first deployment rolls back",
    ),
    Mutant(
        "apostrophe-in-group",
        "nested/load-balancer.yaml",
        "GroupDescription: Load balancer of the Airflow user interface",
        "GroupDescription: Load balancer of Airflow's user interface",
        "EC2 refuses the apostrophe, and the first deployment rolls back",
    ),
    Mutant(
        "typographic-apostrophe-in-role",
        "nested/fleet.yaml",
        "Description: Permissions of the function that starts workers",
        "Description: The scaler\N{RIGHT SINGLE QUOTATION MARK}s permissions",
        "IAM accepts Latin-1 only in a description",
    ),
    Mutant(
        "comment-of-distribution-too-long",
        "nested/ingress.yaml",
        "Comment: !Sub Airflow of stack ${RootStackName}",
        "Comment: !Sub >-\n"
        + 2 * f"          {'Airflow ' * 9}\n"
        + "          of stack ${RootStackName}",
        "CloudFront accepts 128 characters",
    ),
    # ---- Somebody is told ----
    Mutant(
        "absent-service-is-well",
        "nested/service-alarms.yaml",
        "TreatMissingData: breaching",
        "TreatMissingData: notBreaching",
        "nobody is told that no task of a service runs",
    ),
    Mutant(
        "metric-that-nothing-sends",
        "nested/dashboard.yaml",
        '["AirflowOnFargate", "OldestQueuedTask",',
        '["AirflowOnFargate", "OldestTask",',
        "the widget of the oldest task stays empty",
    ),
    Mutant(
        "runbook-that-is-missing",
        "nested/airflow-alarms.yaml",
        "docs/runbooks/tasks-stuck-in-queued.md",
        "docs/runbooks/tasks-stay-queued.md",
        "the e-mail names a file that does not exist",
    ),
    # ---- What tasks of a former version read during an update ----
    Mutant(
        "other-user-of-results",
        "nested/database.yaml",
        "db+postgresql+psycopg2://result_backend:",
        "db+postgresql+psycopg2://result_writer:",
        "a worker that is started during the update loses its task for an hour",
    ),
    Mutant(
        "former-task-may-not-start",
        "nested/control-plane.yaml",
        "[!Ref FormerSecretArns, !Ref JwtSecretArn, !Ref ApiSecretKeySecretArn]",
        "[!Ref FormerSecretArns]",
        "an update that failed cannot be rolled back to the former version",
    ),
    Mutant(
        "former-url-without-the-right-to-create-users",
        "nested/database.yaml",
        '"postgresql+psycopg2://airflow:{{resolve:secretsmanager:${DatabasePasswordSecret}}}',
        '"postgresql+psycopg2://airflow_app:{{resolve:secretsmanager:${AirflowPasswordSecret}}}',
        "the former version's commands fail in a rollback, and with them the rollback",
    ),
    # ---- Order ----
    Mutant(
        "user-before-schema",
        "nested/services.yaml",
        "    DependsOn: DatabaseSchema\n",
        "",
        "in a rollback the first user's command meets the newer schema, or locks the downgrade out",
    ),
    Mutant(
        "first-user-in-every-deployment",
        "nested/services.yaml",
        "      When: rollback\n",
        "",
        "every deployment waits for one more task, which starts Airflow once more",
    ),
    Mutant(
        "schema-without-first-user",
        "nested/services.yaml",
        "        - [upgrade-schema, --first-user]\n",
        "        - [upgrade-schema]\n",
        "nobody can sign in",
    ),
    Mutant(
        "services-before-commands",
        "template.yaml",
        "    DependsOn: CommandsStack\n",
        "",
        "the custom resources call a function that does not exist yet",
    ),
    Mutant(
        "fleet-before-services",
        "template.yaml",
        "  FleetStack:\n    Type: AWS::CloudFormation::Stack\n    DependsOn: ServicesStack\n",
        "  FleetStack:\n    Type: AWS::CloudFormation::Stack\n",
        "at deletion the services go before the workers, whose tasks then lose their API server",
    ),
    Mutant(
        "route-before-gateway",
        "nested/network.yaml",
        "  PublicRoute:\n    Type: AWS::EC2::Route\n    DependsOn: InternetGatewayAttachment\n",
        "  PublicRoute:\n    Type: AWS::EC2::Route\n",
        "EC2 refuses a route to a gateway that is not attached yet",
    ),
    Mutant(
        "address-before-gateway",
        "nested/network.yaml",
        "    Condition: HasNatGateway\n    DependsOn: InternetGatewayAttachment\n",
        "    Condition: HasNatGateway\n",
        "EC2 refuses an address, or its deletion, while no gateway is attached",
    ),
    Mutant(
        "tick-during-deletion",
        "nested/fleet.yaml",
        "  HourlyCheck:\n    Type: AWS::Scheduler::Schedule\n    DependsOn: WorkerFleet\n",
        "  HourlyCheck:\n    Type: AWS::Scheduler::Schedule\n",
        "a check starts a worker while the stack is deleted",
    ),
    Mutant(
        "preflight-beside-storage",
        "template.yaml",
        "  StorageStack:\n    Type: AWS::CloudFormation::Stack\n    DependsOn: PreflightStack\n",
        "  StorageStack:\n    Type: AWS::CloudFormation::Stack\n",
        "buckets, which are kept, are made although a parameter is wrong",
    ),
    # ---- Who may call and assume ----
    Mutant(
        "alarm-without-principal",
        "nested/fleet.yaml",
        "Principal: lambda.alarms.cloudwatch.amazonaws.com",
        "Principal: cloudwatch.amazonaws.com",
        "no alarm calls the scaler: a lost wake-up is never noticed",
    ),
    Mutant(
        "tick-role-of-events",
        "nested/fleet.yaml",
        "Principal: {Service: scheduler.amazonaws.com}",
        "Principal: {Service: events.amazonaws.com}",
        "EventBridge Scheduler cannot assume the role, so no tick arrives",
    ),
    Mutant(
        "function-role-of-tasks",
        "nested/delivery.yaml",
        "- {Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}",
        "- {Effect: Allow, Principal: {Service: ecs-tasks.amazonaws.com}, Action: sts:AssumeRole}",
        "Lambda refuses the function",
    ),
    Mutant(
        "permission-of-another-rule",
        "nested/delivery.yaml",
        "aws:SourceArn: !GetAtt DagsChangedRule.Arn",
        "aws:SourceArn: !GetAtt ReconciliationSchedule.Arn",
        "uploads publish nothing until the next reconciliation",
    ),
    Mutant(
        "rotation-role-not-passed",
        "nested/commands.yaml",
        "                  - !GetAtt RotationTaskRole.Arn\n                Condition",
        "                Condition",
        "ECS refuses to start rotate-secret",
    ),
    Mutant(
        "worker-execution-role-not-passed",
        "nested/worker.yaml",
        "      - - !GetAtt ExecutionRole.Arn\n        - !GetAtt TaskRole.Arn",
        "      - - !GetAtt TaskRole.Arn",
        "ECS refuses to start any worker",
    ),
    Mutant(
        "worker-reads-every-secret",
        "nested/worker.yaml",
        '                  ${RootStackName}/*"\n',
        '                  *"\n',
        "a task reads the keys of the stack and the connections of others",
        tests=(("tests/attacks/test_roles_of_code.py",),),
    ),
    # ---- Health, network, security groups ----
    Mutant(
        "wrong-health-path",
        "nested/load-balancer.yaml",
        "HealthCheckPath: /api/v2/version",
        "HealthCheckPath: /api/v2/monitor/health",
        "a late scheduler makes the load balancer remove the API servers",
    ),
    Mutant(
        "unknown-health-path",
        "nested/load-balancer.yaml",
        "HealthCheckPath: /api/v2/version",
        "HealthCheckPath: /health",
        "no API server becomes healthy, and the deployment fails",
    ),
    Mutant(
        "worker-checked-as-scheduler",
        "nested/worker.yaml",
        "airflow_on_fargate.health, worker]",
        "airflow_on_fargate.health, scheduler]",
        "ECS replaces every worker after some minutes",
    ),
    Mutant(
        "no-grace-period",
        "nested/services.yaml",
        "      HealthCheckGracePeriodSeconds: 120\n",
        "      HealthCheckGracePeriodSeconds: 0\n",
        "ECS stops API servers that are still starting",
    ),
    Mutant(
        "swapped-security-groups",
        "nested/load-balancer.yaml",
        "      GroupId: !Ref ApiServerGroupId\n"
        "      SourceSecurityGroupId: !GetAtt LoadBalancerSecurityGroup.GroupId\n",
        "      GroupId: !GetAtt LoadBalancerSecurityGroup.GroupId\n"
        "      SourceSecurityGroupId: !Ref ApiServerGroupId\n",
        "the load balancer does not reach the API servers",
    ),
    Mutant(
        "database-port",
        "nested/database.yaml",
        "!Ref DatabaseClientGroupId\n          IpProtocol: tcp\n"
        "          FromPort: 5432\n          ToPort: 5432",
        "!Ref DatabaseClientGroupId\n          IpProtocol: tcp\n"
        "          FromPort: 5433\n          ToPort: 5433",
        "no component but the workers reaches the database",
    ),
    Mutant(
        "log-server-port",
        "nested/cluster.yaml",
        "      FromPort: 8793\n      ToPort: 8793",
        "      FromPort: 8783\n      ToPort: 8783",
        "nobody sees the log of a running task",
    ),
    Mutant(
        "target-group-of-another-container",
        "nested/services.yaml",
        "        - ContainerName: api-server\n          ContainerPort: 8080",
        "        - ContainerName: api-server\n          ContainerPort: 8793",
        "ECS refuses the service, or registers a port on which nothing listens",
    ),
    Mutant(
        "open-to-everybody",
        "nested/load-balancer.yaml",
        "{Description: HTTPS, CidrIp: !Ref IngressCidr, IpProtocol: tcp, FromPort: 443",
        "{Description: HTTPS, CidrIp: 0.0.0.0/0, IpProtocol: tcp, FromPort: 443",
        "the addresses of IngressCidr are not the only ones that may connect",
    ),
    Mutant(
        "public-database",
        "nested/database.yaml",
        "PubliclyAccessible: false",
        "PubliclyAccessible: true",
        "the database gets a public address",
    ),
    Mutant(
        "no-dns-names",
        "nested/network.yaml",
        "EnableDnsHostnames: true",
        "EnableDnsHostnames: false",
        "workers do not find the API server by its private name",
    ),
    Mutant(
        "private-subnet-in-public-table",
        "nested/network.yaml",
        "{SubnetId: !Ref PrivateSubnetB, RouteTableId: !Ref PrivateRouteTableB}",
        "{SubnetId: !Ref PrivateSubnetB, RouteTableId: !Ref PublicRouteTable}",
        "half of the tasks have no way to the internet",
    ),
    Mutant(
        "second-gateway-unused",
        "nested/network.yaml",
        "NatGatewayId: !If [CreateSecondNatGateway, !Ref NatGatewayB, !Ref NatGatewayA]",
        "NatGatewayId: !Ref NatGatewayA",
        "both zones depend on one NAT gateway, and the second one is paid for nothing",
    ),
    Mutant(
        "s3-through-nat",
        "nested/network.yaml",
        "RouteTableIds: [!Ref PublicRouteTable, !Ref PrivateRouteTableA, !Ref PrivateRouteTableB]",
        "RouteTableIds: [!Ref PublicRouteTable]",
        "DAGs and logs pass through the NAT gateway, which is charged by the gigabyte",
    ),
    Mutant(
        "same-cidr-twice",
        "nested/network.yaml",
        "CidrBlock: !Select [3, !Cidr [!Ref VpcCidr, 4, 10]]",
        "CidrBlock: !Select [2, !Cidr [!Ref VpcCidr, 4, 10]]",
        "EC2 refuses the overlapping subnet",
    ),
    Mutant(
        "slow-name-changes",
        "nested/cluster.yaml",
        "DnsRecords: [{Type: A, TTL: 10}]",
        "DnsRecords: [{Type: A, TTL: 600}]",
        "workers call a replaced API server for ten minutes, and their tasks fail",
    ),
    # ---- Conditions and wiring ----
    Mutant(
        "swapped-https-condition",
        "nested/load-balancer.yaml",
        "          - {Type: redirect, RedirectConfig: {Protocol: HTTPS, Port: '443', "
        "StatusCode: HTTP_301}}\n"
        "          - {Type: forward, TargetGroupArn: !Ref ApiServerTargetGroup}",
        "          - {Type: forward, TargetGroupArn: !Ref ApiServerTargetGroup}\n"
        "          - {Type: redirect, RedirectConfig: {Protocol: HTTPS, Port: '443', "
        "StatusCode: HTTP_301}}",
        "passwords travel in the clear although there is a certificate",
    ),
    Mutant(
        "swapped-public-address",
        "nested/network.yaml",
        "Value: !If [HasNatGateway, DISABLED, ENABLED]",
        "Value: !If [HasNatGateway, ENABLED, DISABLED]",
        "tasks without a NAT gateway reach neither the registry nor Secrets Manager",
    ),
    Mutant(
        "swapped-compact-condition",
        "nested/services.yaml",
        "IsCompact: !Equals [!Ref ControlPlane, compact]",
        "IsCompact: !Equals [!Ref ControlPlane, separate]",
        "class micro gets the services of small, without task definitions",
    ),
    Mutant(
        "compact-command-of-admin",
        "nested/services.yaml",
        "!If [HasAdminEmail, [ensure-admin-user, !Ref AdminEmail], [ensure-admin-user]]",
        "!If [HasAdminEmail, [ensure-admin-user], [ensure-admin-user, !Ref AdminEmail]]",
        "the user has no address, or the command an empty argument",
    ),
    Mutant(
        "queue-of-dead-letters",
        "nested/queues.yaml",
        "Value: !GetAtt WorkerQueue.QueueUrl",
        "Value: !GetAtt WorkerDeadLetterQueue.QueueUrl",
        "tasks are queued where no alarm looks, without a redrive policy",
    ),
    Mutant(
        "swapped-secrets",
        "nested/command.yaml",
        "{Name: AIRFLOW__CELERY__RESULT_BACKEND, ValueFrom: !Ref ResultBackendSecretArn}",
        "{Name: AIRFLOW__CELERY__RESULT_BACKEND, ValueFrom: !Ref SqlAlchemyConnSecretArn}",
        "the result backend would be made in the metadata database",
    ),
    Mutant(
        "count-of-dag-processor",
        "template.yaml",
        "          - '0'\n          - !GetAtt TriggererStack.Outputs.TaskCount",
        "          - '0'\n          - !GetAtt DagProcessorStack.Outputs.TaskCount",
        "TriggererTasks has no effect on the number of triggerers",
    ),
    Mutant(
        "database-in-public-subnets",
        "template.yaml",
        "          - !GetAtt NetworkStack.Outputs.DatabaseSubnetIds\n"
        "          - !Ref PrivateSubnetIds\n"
        "        DatabaseClientGroupId:",
        "          - !GetAtt NetworkStack.Outputs.PublicSubnetIds\n"
        "          - !Ref PrivateSubnetIds\n"
        "        DatabaseClientGroupId:",
        "the database is placed in subnets with a way to the internet",
    ),
    # ---- Environment ----
    Mutant(
        "forgotten-state-bucket",
        "nested/worker.yaml",
        "            - {Name: STATE_BUCKET_NAME, Value: !Ref StateBucketName}\n",
        "",
        "workers never drain: a deployment leaves the old image running",
    ),
    Mutant(
        "forgotten-queue-url",
        "nested/control-plane.yaml",
        "              - !If [HasSqs, {Name: WORKER_QUEUE_URL, Value: !Ref WorkerQueueUrl}, "
        "!Ref AWS::NoValue]\n",
        "",
        "the scheduler makes a queue of its own, which no worker reads",
    ),
    Mutant(
        "forgotten-tick-role",
        "nested/fleet.yaml",
        "          TICK_ROLE_ARN: !GetAtt TickRole.Arn\n",
        "",
        "the scaler fails at its start",
    ),
    Mutant(
        "concurrency-is-the-cpu",
        "nested/worker.yaml",
        "Value: !Select [2, !Split ['/', !Ref WorkerSize]]",
        "Value: !Select [0, !Split ['/', !Ref WorkerSize]]",
        "a worker takes a thousand tasks and runs out of memory",
    ),
    # ---- Events, alarms, schedules ----
    Mutant(
        "no-events-of-the-bucket",
        "nested/storage.yaml",
        "EventBridgeEnabled: true",
        "EventBridgeEnabled: false",
        "uploads publish nothing until the next reconciliation",
    ),
    Mutant(
        "deletions-unnoticed",
        "nested/delivery.yaml",
        "detail-type: [Object Created, Object Deleted]",
        "detail-type: [Object Created]",
        "a deleted DAG stays until the next reconciliation",
    ),
    Mutant(
        "prefix-of-dags",
        "nested/delivery.yaml",
        "              - {prefix: dags/}\n",
        "              - {prefix: dag/}\n",
        "uploads publish nothing until the next reconciliation",
    ),
    Mutant(
        "unknown-reconciliation",
        "nested/delivery.yaml",
        """Input: '{"source": "reconciliation"}'""",
        """Input: '{"source": "reconcile"}'""",
        "the function refuses the event: lost uploads are never found",
    ),
    Mutant(
        "unknown-hourly-check",
        "nested/fleet.yaml",
        """Input: '{"source":"tick"}'""",
        """Input: '{"source":"hour"}'""",
        "the function refuses the event: queues without metrics are never found",
    ),
    Mutant(
        "alarm-off-by-one",
        "nested/fleet.yaml",
        "      Dimensions: [{Name: QueueName, Value: !Sub '${RootStackName}-queue-default'}]\n"
        "      Statistic: Maximum\n      Period: 60\n      EvaluationPeriods: 1\n"
        "      Threshold: 0\n",
        "      Dimensions: [{Name: QueueName, Value: !Sub '${RootStackName}-queue-default'}]\n"
        "      Statistic: Maximum\n      Period: 60\n      EvaluationPeriods: 1\n"
        "      Threshold: 1\n",
        "a single task whose wake-up was lost waits for an hour",
    ),
    Mutant(
        "alarm-of-another-queue",
        "nested/fleet.yaml",
        "      Dimensions: [{Name: QueueName, Value: !Sub '${RootStackName}-queue-default'}]",
        "      Dimensions: [{Name: QueueName, Value: !Sub '${RootStackName}-default'}]",
        "the alarm watches a queue that does not exist",
    ),
    Mutant(
        "queue-without-encryption",
        "nested/queues.yaml",
        "      SqsManagedSseEnabled: !If [HasKmsKey, false, true]\n"
        "      # A message is received again when its worker died",
        "      SqsManagedSseEnabled: false\n"
        "      # A message is received again when its worker died",
        "messages are stored without encryption",
    ),
    Mutant(
        "alarms-without-customer-key",
        "nested/encryption-key.yaml",
        "[cloudwatch.amazonaws.com, events.amazonaws.com]",
        "[events.amazonaws.com]",
        "with customer-key no alarm reaches the topic, and nothing says so",
    ),
    Mutant(
        "logs-without-customer-key",
        "nested/worker.yaml",
        "                  Condition: {StringLike: {kms:ViaService: s3.*}}",
        "                  Condition: {StringLike: {kms:ViaService: sqs.*}}",
        "with customer-key a worker cannot write the log of a task",
    ),
    Mutant(
        "queue-with-another-prefix",
        "nested/queues.yaml",
        "    Properties:\n      # Named, because roles and functions refer to all queues by one "
        "prefix.\n      QueueName: !Sub ${RootStackName}-queue-default",
        "    Properties:\n      # Named, because roles and functions refer to all queues by one "
        "prefix.\n      QueueName: !Sub ${RootStackName}-default",
        "no role may use the queue: its name has another prefix",
    ),
    # ---- State, deployments, deletion ----
    Mutant(
        "database-deleted-without-snapshot",
        "nested/database.yaml",
        "    DeletionPolicy: Snapshot\n",
        "    DeletionPolicy: Delete\n",
        "a deleted stack loses its history",
    ),
    Mutant(
        "rollback-by-ecs",
        "nested/services.yaml",
        "        # No rollback by ECS: it would start the old image on the new schema. "
        "CloudFormation rolls\n        # everything back.\n"
        "        DeploymentCircuitBreaker: {Enable: true, Rollback: false}",
        "        DeploymentCircuitBreaker: {Enable: true, Rollback: true}",
        "ECS starts the old image on the new schema",
    ),
    Mutant(
        "worker-stopped-early",
        "nested/worker.yaml",
        "StopTimeout: 120",
        "StopTimeout: 30",
        "an interrupted worker is killed before it has reported its tasks",
    ),
    Mutant(
        "no-time-for-the-last-worker",
        "nested/fleet.yaml",
        "      Timeout: 600\n",
        "      Timeout: 60\n",
        "the deletion of the stack fails while a worker stops, which takes two minutes",
    ),
    Mutant(
        "no-time-for-a-migration",
        "nested/services.yaml",
        "      ServiceTimeout: 3600\n",
        "      ServiceTimeout: 300\n",
        "an upgrade of a large database is stopped after five minutes",
    ),
    Mutant(
        "retired-releases-too-wide",
        "nested/storage.yaml",
        "            Prefix: releases/2\n",
        "            Prefix: releases/\n",
        "the history of releases, the versions of releases/current.json, is lost after 30 days",
    ),
    Mutant(
        "logs-of-commands-kept-for-a-day",
        "nested/storage.yaml",
        "            Prefix: commands/\n            ExpirationInDays: 7",
        "            ExpirationInDays: 7",
        "the fleet's state and the upgrade's notes disappear after a week",
    ),
    Mutant(
        "execution-api-half-closed",
        "nested/load-balancer.yaml",
        "{Values: [/execution, /execution/*]}",
        "{Values: [/execution]}",
        "anybody may call the execution API through the load balancer",
    ),
    Mutant(
        "cached-pages",
        "nested/ingress.yaml",
        "CachePolicyId: 4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
        "CachePolicyId: 658327ea-f89d-4fab-a63d-7e88639e58f6",
        "CloudFront gives one user the page of another",
    ),
    Mutant(
        "record-in-another-zone",
        "nested/ingress.yaml",
        "- !If [IsChina, Z3RFFRIM2A3IF5, Z2FDTNDATAQYW2]",
        "- !If [IsChina, Z2FDTNDATAQYW2, Z3RFFRIM2A3IF5]",
        "Route 53 refuses the alias of the distribution",
    ),
)
