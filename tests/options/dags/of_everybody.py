"""Runs on the default queue and asks for what belongs to the team, in the three ways there are."""

import os

from airflow.sdk import dag, task


@dag(schedule=None)
def of_everybody():
    @task
    def look():
        import boto3
        from airflow.sdk import Variable

        print("role", boto3.client("sts").get_caller_identity()["Arn"])
        print("shared with", Variable.get("shared"))
        print("owner is", Variable.get("owner", default="unknown"))
        stack = os.environ["STACK_NAME"]
        secret = f"{stack}/queues/team-a/variables/owner"
        try:
            print("read", boto3.client("secretsmanager").get_secret_value(SecretId=secret)["Name"])
        except Exception as error:
            print("secret:", error)
        sqs = boto3.client("sqs")
        try:
            url = sqs.get_queue_url(QueueName=f"{stack}-queue-team-a")["QueueUrl"]
            print("received", sqs.receive_message(QueueUrl=url))
        except Exception as error:
            print("queue:", error)

    look()


of_everybody()
