"""Lies in the folder of the isolated queue: its task runs there, with the queue's role."""

from airflow.sdk import dag, task


@dag(schedule=None)
def of_the_team():
    @task(queue="team-a")
    def look():
        import boto3
        from airflow.sdk import Variable

        print("role", boto3.client("sts").get_caller_identity()["Arn"])
        print("owner is", Variable.get("owner"))
        print("shared with", Variable.get("shared"))

    look()


of_the_team()
