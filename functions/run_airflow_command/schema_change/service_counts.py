"""Give services back the counts that a schema change's task took from them."""

from run_airflow_command.schema_change.ports import Services, UpgradeNotes
from shared.fargate import StoppedTask


def restore_services(task: StoppedTask, notes: UpgradeNotes, services: Services) -> tuple[str, ...]:
    """Give the services the counts back that this task had set to 0; returns those it changed."""
    noted = notes.quiesced()
    # Another owner: the rollback's task has taken over. It waits in the database for the end of
    # this task, and the counts are given back when it has ended itself.
    if noted is None or noted.owner != task.arn:
        return ()
    restored = []
    for service_arn, count in noted.counts.items():
        # Only from 0: a count that was set in the meantime is intended.
        if count and services.desired_count(service_arn) == 0:
            services.set_desired_count(service_arn, count)
            restored.append(service_arn)
    if not notes.forget_quiesced(noted):
        # The rollback has taken over in the meantime: stop the services again.
        for service_arn in restored:
            services.set_desired_count(service_arn, 0)
        return ()
    return tuple(restored)
