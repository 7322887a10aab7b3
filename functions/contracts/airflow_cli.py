"""Which commands a command's task may run besides Airflow's, and which of all change the database.

The function checks a command with these lists before it starts a task; the image carries it out.
"""

from typing import Final

CLEAN_DATABASE: Final = "clean-database"
ENSURE_ADMIN_USER: Final = "ensure-admin-user"
ENSURE_DATABASE_USERS: Final = "ensure-database-users"
ENSURE_RESULT_BACKEND: Final = "ensure-result-backend"
REQUEUE_TASKS: Final = "requeue-tasks"
RESTORE_SCHEMA: Final = "restore-schema"
ROTATE_SECRET: Final = "rotate-secret"  # noqa: S105 - a command
UPGRADE_SCHEMA: Final = "upgrade-schema"
WORKER_HOURS: Final = "worker-hours"

# Commands of the image's own entrypoint.
OWN_COMMANDS: Final = frozenset(
    {
        CLEAN_DATABASE,
        ENSURE_ADMIN_USER,
        ENSURE_DATABASE_USERS,
        ENSURE_RESULT_BACKEND,
        REQUEUE_TASKS,
        RESTORE_SCHEMA,
        ROTATE_SECRET,
        UPGRADE_SCHEMA,
        WORKER_HOURS,
    }
)

# Their task may read the secrets that no container gets, such as the master user's password. None
# of them loads DAG files.
ADMINISTERS: Final = frozenset({ENSURE_DATABASE_USERS, ENSURE_RESULT_BACKEND, ROTATE_SECRET})

# Airflow's commands that change the schema, by their first words.
CHANGES_SCHEMA: Final = frozenset(
    {
        ("db", "downgrade"),
        ("db", "migrate"),
        ("db-manager", "downgrade"),
        ("db-manager", "migrate"),
        ("fab-db", "downgrade"),
        ("fab-db", "migrate"),
    }
)
# Airflow's commands that change rows of many tables; they need the schema that this image expects.
CHANGES_ROWS: Final = frozenset({("db", "clean"), ("db", "drop-archived"), ("rotate-fernet-key",)})
