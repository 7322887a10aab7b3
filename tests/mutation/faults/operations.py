"""Faults in what looks at a deployment and computes what it costs."""

from tests.mutation.mutant import Mutant

_DEPLOYED = (("tests/integration/doctor",),)

FAULTS = (
    # ---- doctor ----
    Mutant(
        "one-failing-check-ends-all",
        "functions/doctor/examination.py",
        "        except AwsCallError as error:\n"
        '            return [warn(f"Could not look: {error}", "Call again")]\n',
        "        except AwsCallError:\n            raise\n",
        "one call that AWS throttles hides what all other checks find",
    ),
    Mutant(
        "a-check-takes-the-rest-of-the-time",
        "functions/doctor/examination.py",
        "if self.left() < self.reserve_seconds:",
        "if self.left() < 0:",
        "the function is ended by its time limit, and says nothing",
    ),
    Mutant(
        "denied-permission-is-fine",
        "functions/doctor/aws/iam_permissions.py",
        'if result["EvalDecision"] != "allowed"',
        'if result["EvalDecision"] == "explicitDeny"',
        "a role that has lost a permission is not found",
        tests=_DEPLOYED,
    ),
    Mutant(
        "every-alarm-of-the-account",
        "functions/doctor/aws/alarms.py",
        '            if self._topic_arn in alarm["AlarmActions"]\n',
        "",
        "an alarm of another stack is reported",
        tests=_DEPLOYED,
    ),
    Mutant(
        "warnings-exit-with-zero",
        "functions/doctor/model.py",
        "return max((finding.level for finding in findings), default=Level.OK)",
        "return min((finding.level for finding in findings), default=Level.OK)",
        "a script that looks at the exit code sees nothing",
    ),
    # ---- costs ----
    Mutant(
        "first-worker-is-charged-twice",
        "bench/cost/workloads.py",
        "(end - start) * max(0.0, count - 1)",
        "(end - start) * max(0.0, count)",
        "MWAA looks more expensive than it is",
    ),
    Mutant(
        "one-address-for-all-zones",
        "bench/cost/bill.py",
        'yield Line("public IPv4 of NAT gateways", gateways * HOURS, address, "AWS::EC2::EIP")',
        'yield Line("public IPv4 of NAT gateways", HOURS, address, "AWS::EC2::EIP")',
        "the second gateway's address is not on the bill",
    ),
    Mutant(
        "untagged-tasks",
        "functions/scale_workers/aws/ecs_worker_tasks.py",
        '                        propagateTags="TASK_DEFINITION",\n',
        "",
        "the workers, most of a busy bill, cannot be grouped by stack",
    ),
    Mutant(
        "whole-worker-for-each-task",
        "images/airflow/src/airflow_on_fargate/database/worker_hours.py",
        "used[dag_id].worker_seconds += seconds * tasks / count",
        "used[dag_id].worker_seconds += seconds * tasks",
        "tasks that share a worker are counted as if each had one",
    ),
)
