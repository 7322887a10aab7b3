"""Faults in the Lambda functions."""

from tests.mutation.mutant import Mutant

FAULTS = (
    # ---- scale_workers ----
    Mutant(
        "rounds-down",
        "functions/scale_workers/decision.py",
        "needed = max(0, -(-shortage // slots))",
        "needed = max(0, shortage // slots)",
        "the last tasks wait although no worker has a slot for them",
    ),
    Mutant(
        "replaces-the-dead-at-once",
        "functions/scale_workers/decision.py",
        "if state.paused or backing_off or observation.trigger is Trigger.WORKER_DIED:",
        "if state.paused or backing_off:",
        "workers that die at their start are started in an endless loop",
    ),
    Mutant(
        "deaths-off-by-one",
        "functions/scale_workers/decision.py",
        "if excess < 0:",
        "if excess <= 0:",
        "launches pause a death later than documented",
    ),
    Mutant(
        "draining-workers-count",
        "functions/scale_workers/queue_fleet.py",
        "ours = [task for task in tasks if task.revision == revision]",
        "ours = list(tasks)",
        "after a deployment tasks wait for workers that take none any more",
    ),
    Mutant(
        "queue-before-workers",
        "functions/scale_workers/queue_fleet.py",
        "        tasks = self.workers.active()\n        depth = self.queue.depth()\n",
        "        depth = self.queue.depth()\n        tasks = self.workers.active()\n",
        "messages of a worker that exits between the two calls are counted nowhere",
    ),
    Mutant(
        "acts-on-a-conflict",
        "functions/scale_workers/queue_fleet.py",
        "            except StateConflictError:\n                continue\n"
        "            return self._act(",
        "            except StateConflictError:\n                pass\n"
        "            return self._act(",
        "two calls at the same moment start the same workers twice",
    ),
    Mutant(
        "one-token-for-all",
        "functions/scale_workers/launches.py",
        'sight = "\\n".join([fleet, window, before, str(on_spot), *arns, *known])',
        'sight = "\\n".join([fleet, before, str(on_spot), *arns, *known])',
        "ECS repeats a launch of an hour ago and starts nothing",
    ),
    Mutant(
        "eleven-tasks-at-once",
        "functions/scale_workers/aws/ecs_worker_tasks.py",
        "_TASKS_PER_LAUNCH = 10",
        "_TASKS_PER_LAUNCH = 11",
        "ECS refuses RunTask with more than ten tasks",
    ),
    Mutant(
        "forgets-stopping-workers",
        "functions/scale_workers/aws/ecs_worker_tasks.py",
        'for desired_status in ("RUNNING", "STOPPED")',
        'for desired_status in ("RUNNING",)',
        "the deletion of the network fails: interfaces of stopping workers are still in use",
    ),
    Mutant(
        "in-flight-is-visible",
        "functions/scale_workers/aws/sqs_work_queue.py",
        'in_flight=int(attributes["ApproximateNumberOfMessagesNotVisible"])',
        'in_flight=int(attributes["ApproximateNumberOfMessages"])',
        "busy workers count as idle, and tasks wait",
    ),
    Mutant(
        "retires-without-a-mark",
        "functions/scale_workers/all_fleets.py",
        "        self.current.set(RETIRED)\n        self.tick.cancel()\n        stopped",
        "        self.tick.cancel()\n        stopped",
        "a check that began before the deletion starts another worker",
    ),
    Mutant(
        "error-without-a-tick",
        "functions/scale_workers/all_fleets.py",
        "            self._appoint(0.0)\n            raise",
        "            raise",
        "after one failed call nothing checks the fleet for an hour",
    ),
    Mutant(
        "unhealthy-forever",
        "functions/scale_workers/upkeep.py",
        "if now - moment >= UNHEALTHY_SECONDS)",
        "if now - moment >= UNHEALTHY_SECONDS * 100)",
        "a worker that hangs is billed until the stack is deleted",
    ),
    # ---- shared ----
    Mutant(
        "ticks-pile-up",
        "functions/shared/aws/eventbridge_tick.py",
        '"ActionAfterCompletion": "DELETE"',
        '"ActionAfterCompletion": "NONE"',
        "a tick that has fired blocks the next one",
        tests=(("tests/unit/functions",),),
    ),
    Mutant(
        "tick-in-the-past",
        "functions/shared/aws/eventbridge_tick.py",
        "return self._now() < moment <= latest",
        "return moment <= latest",
        "a tick that has fired is taken for one to come, and the chain of ticks ends",
        tests=(("tests/unit/functions",),),
    ),
    Mutant(
        "error-without-answer",
        "functions/shared/cloudformation/custom_resource.py",
        "    except Exception as error:\n        logger.exception",
        "    except ValueError as error:\n        logger.exception",
        "CloudFormation waits an hour for an answer that never comes",
        tests=(("tests/unit/functions",),),
    ),
    Mutant(
        "denied-once",
        "functions/shared/cloudformation/custom_resource.py",
        "_DENIED_WAITS_SECONDS = (2, 3, 5, 10, 10)",
        "_DENIED_WAITS_SECONDS = ()",
        "a first deployment fails because a new role is not known everywhere yet",
        tests=(("tests/unit/functions",),),
    ),
    Mutant(
        "answer-sent-once",
        "functions/shared/aws/https_answer_channel.py",
        "_WAITS_SECONDS = (1, 2, 4, 8)",
        "_WAITS_SECONDS = ()",
        "one failed request costs an hour of waiting",
        tests=(("tests/unit/functions",),),
    ),
    # ---- run_airflow_command ----
    Mutant(
        "marked-before-answered",
        "functions/run_airflow_command/commands/lifecycle.py",
        "        if record.request is not None:\n"
        "            send_answer(record.request, answer_for(task, log_lines), self.channel)\n"
        "        completion = self._mark(record, outcome)\n",
        "        completion = self._mark(record, outcome)\n"
        "        if record.request is not None:\n"
        "            send_answer(record.request, answer_for(task, log_lines), self.channel)\n",
        "a crash between the two loses the answer, and CloudFormation waits an hour",
    ),
    Mutant(
        "lock-kept",
        "functions/run_airflow_command/commands/lifecycle.py",
        "        if lock := lock_of(record.command):\n"
        "            self.store.release_lock(lock, record.request_id)\n",
        "",
        "every later command that changes the database has to find out that the lock is stale",
    ),
    Mutant(
        "task-without-record",
        "functions/run_airflow_command/commands/lifecycle.py",
        "            self.store.save(record)\n        self.store.open(request_id)",
        "            pass\n        self.store.open(request_id)",
        "a task may stop without a record to answer from",
    ),
    Mutant(
        "sweep-without-tick",
        "functions/run_airflow_command/commands/sweep.py",
        "            self.commands.tick.ensure()\n",
        "            pass\n",
        "a lost event is noticed only within a minute of the start",
    ),
    Mutant(
        "stops-after-the-answer",
        "functions/run_airflow_command/commands/deadlines.py",
        "return record.started_at + max(limit - _STOP_BEFORE_TIMEOUT, limit / 3)",
        "return record.started_at + limit",
        "CloudFormation gives up before the task is stopped and does not know the cause",
    ),
    Mutant(
        "start-twice",
        "functions/run_airflow_command/aws/ecs_task_runner.py",
        "                clientToken=record.request_id,\n",
        "",
        "a repeated call starts a second migration",
    ),
    Mutant(
        "lock-for-everybody",
        "functions/run_airflow_command/aws/s3_command_store.py",
        '                    Body=request_id.encode(),\n                    IfNoneMatch="*",\n',
        "                    Body=request_id.encode(),\n",
        "two commands change the database at the same time",
    ),
    # ---- publish_dags ----
    Mutant(
        "pointer-without-condition",
        "functions/publish_dags/aws/s3_release_store.py",
        'condition: Any = {"IfMatch": mark} if mark else {"IfNoneMatch": "*"}',
        "condition: Any = {}",
        "of two publishers the slower one takes a newer release back",
    ),
    Mutant(
        "publishes-once",
        "functions/publish_dags/publisher.py",
        "_ATTEMPTS = 10",
        "_ATTEMPTS = 1",
        "an upload beside another one fails",
    ),
    Mutant(
        "publishes-its-own-releases",
        "functions/publish_dags/bucket_changes.py",
        "    return key.startswith(SOURCE_PREFIX) or (",
        "    return True or (",
        "every release publishes again, without end",
    ),
    Mutant(
        "removes-without-report",
        "functions/publish_dags/history/retention.py",
        "if reported is None or inventory.now - reported.at > _REPORT_LASTS:",
        "if reported is None:",
        "a release that a run has needed since an old report is removed",
    ),
    Mutant(
        "no-grace-for-runs",
        "functions/publish_dags/history/retention.py",
        "self.shelf.current_since(reported.at - _GRACE)",
        "self.shelf.current_since(reported.at)",
        "the release of a run that started while the report was written is removed",
    ),
    Mutant(
        "hold-ignored",
        "functions/publish_dags/publisher.py",
        "if sight.pointer and sight.pointer.hold:",
        "if sight.pointer and sight.pointer.hold and by:",
        "an upload ends the hold on a release that somebody investigates",
    ),
    # ---- preflight ----
    Mutant(
        "one-subnet-is-enough",
        "functions/preflight/checks/network.py",
        "if subnets and len(set(subnets)) < MIN_SUBNETS:",
        "if subnets and len(set(subnets)) < MIN_SUBNETS - 1:",
        "the load balancer is refused in the middle of the deployment",
    ),
    Mutant(
        "storage-may-shrink",
        "functions/preflight/checks/changes.py",
        "size.storage_gib < former.storage_gib",
        "size.storage_gib > former.storage_gib",
        "RDS refuses the update, and growing is refused by preflight",
    ),
    Mutant(
        "names-too-long",
        "functions/preflight/checks/stack.py",
        "if len(name) > MAX_STACK_NAME_LENGTH:",
        "if len(name) > MAX_STACK_NAME_LENGTH + 1:",
        "a name of 41 characters is accepted",
    ),
)
