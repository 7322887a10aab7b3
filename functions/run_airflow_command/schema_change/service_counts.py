"""Give services back the counts that a schema change's task took from them."""

from run_airflow_command.schema_change.ports import Services, UpgradeNotes
from shared.fargate import StoppedTask


def restore_services(task: StoppedTask, notes: UpgradeNotes, services: Services) -> tuple[str, ...]:
    """Give the services back the counts that this task took from them; those that were changed."""
    noted = notes.quiesced()
    # Another owner: its rollback has taken over, waits in the database for the end of this task,
    # and gives the counts back when it has ended itself.
    if noted is None or noted.owner != task.arn:
        return ()
    restored = []
    for service_arn, count in noted.counts.items():
        # Only from 0: whoever has set another count in the meantime meant it.
        if count and services.desired_count(service_arn) == 0:
            services.set_desired_count(service_arn, count)
            restored.append(service_arn)
    if not notes.forget_quiesced(noted):
        # The rollback has taken over between the two lines above, so they came too late.
        for service_arn in restored:
            services.set_desired_count(service_arn, 0)
        return ()
    return tuple(restored)
