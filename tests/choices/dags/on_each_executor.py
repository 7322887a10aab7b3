"""A task on each executor, and what goes wrong on them."""

import os
import signal
import time

from airflow.sdk import dag, task

SMALL = {"overrides": {"cpu": 512, "memory": 1024}}


@dag(schedule=None)
def on_each_executor():
    @task
    def on_celery():
        print("runs with", os.environ["COMPONENT"], "and the executors", os.environ["EXECUTORS"])

    @task(executor="ecs", executor_config=SMALL)
    def on_ecs():
        import boto3

        print("role", boto3.client("sts").get_caller_identity()["Arn"])
        print("file", __file__)
        return "from ecs"

    @task
    def reads(value):
        print("received", value)

    on_celery() >> reads(on_ecs())


@dag(schedule=None)
def fails_on_ecs():
    @task(executor="ecs", retries=0)
    def fails():
        raise ValueError("this task fails on purpose")

    fails()


@dag(schedule=None)
def killed_on_ecs():
    @task(executor="ecs", retries=0)
    def killed():
        # The supervisor dies, so nobody reports the state.
        os.kill(os.getppid(), signal.SIGKILL)

    killed()


@dag(schedule=None)
def refused_by_the_executor():
    @task(executor="ecs", executor_config={"startedBy": "default"}, retries=0)
    def refused():
        print("never printed")

    refused()


@dag(schedule=None)
def without_that_size():
    @task(executor="ecs", executor_config={"overrides": {"cpu": 512, "memory": 512}}, retries=0)
    def impossible():
        print("never printed")

    impossible()


@dag(schedule=None)
def long_on_ecs():
    @task(executor="ecs", retries=0)
    def long():
        from airflow.sdk import Variable

        print("begins", flush=True)
        end = time.monotonic() + 1800
        while not Variable.get("long_may_end", default="") and time.monotonic() < end:
            time.sleep(2)
        print("has waited")

    long()


on_each_executor()
fails_on_ecs()
killed_on_ecs()
refused_by_the_executor()
without_that_size()
long_on_ecs()
