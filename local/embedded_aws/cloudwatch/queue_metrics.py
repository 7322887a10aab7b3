"""SQS metrics in CloudWatch, once a minute, and the clock that evaluates the alarms.

ministack 1.5.33 publishes no SQS metrics and evaluates an alarm only when PutMetricData is called,
so an alarm on a queue would never fire. Here every queue's depth is recorded at the end of each
minute, and then all alarms are evaluated, as on AWS. The setting `cloudwatch_minute_seconds`
shortens that minute, and the alarms' periods with it.

Unlike on AWS, the numbers are exact and on time, and do not stop after six idle hours.
"""

import logging
import threading
import time

from ministack.core.concurrency import spawn_background
from ministack.services import cloudwatch, sqs

from embedded_aws.account_scope import account_scope
from embedded_aws.settings import Settings

# CloudWatch's name of a metric and SQS's name of the queue attribute it shows.
_METRICS = {
    "ApproximateNumberOfMessagesVisible": "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible": "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed": "ApproximateNumberOfMessagesDelayed",
}

logger = logging.getLogger("embedded_aws.queue_metrics")


def install(settings: Settings) -> None:
    spawn_background(_keep_time, settings, thread_name="embedded-aws-cloudwatch-clock")


def _keep_time(settings: Settings) -> None:
    minute = settings.cloudwatch_minute_seconds
    while True:
        # Minutes follow the clock, however long the work takes.
        end_of_minute = (time.time() // minute + 1) * minute
        threading.Event().wait(end_of_minute - time.time())
        try:
            with account_scope(settings):
                record_queue_depths(at=end_of_minute - minute / 1000)
                cloudwatch._evaluate_all_alarms()
        except Exception:
            logger.exception("the minute's metrics and alarms failed")


def record_queue_depths(at: float) -> None:
    for url, queue in list(sqs._queues.items()):
        sqs._refresh_counts(queue)
        dimensions = {"QueueName": url.rsplit("/", 1)[-1]}
        for metric, attribute in _METRICS.items():
            _record("AWS/SQS", metric, float(queue["attributes"][attribute]), dimensions, at)


def _record(
    namespace: str, metric: str, value: float, dimensions: dict[str, str], at: float
) -> None:
    key = (namespace, metric, cloudwatch._dims_key(dimensions))
    cloudwatch._metric_bucket(key).append(
        {"Timestamp": at, "Value": value, "Unit": "Count", "Dimensions": dimensions}
    )
