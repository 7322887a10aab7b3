"""The table of attackers: one file for each."""

from tests.attacks.attackers import (
    bucket_writer,
    dag_author_at_parse,
    dag_author_in_a_task,
    dag_author_in_a_trigger,
    internet,
    read_only_principal,
    ui_viewer,
)

ATTACKERS = tuple(
    module.ATTACKER
    for module in (
        internet,
        ui_viewer,
        dag_author_at_parse,
        dag_author_in_a_task,
        dag_author_in_a_trigger,
        bucket_writer,
        read_only_principal,
    )
)
