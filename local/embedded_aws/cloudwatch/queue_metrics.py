"""SQS metrics in CloudWatch, once a minute.

ministack 1.5.33 publishes no SQS metrics. Here every queue's depth is recorded at the end of each
minute. Unlike on AWS, the numbers are exact and on time, and do not stop after six idle hours.
"""

from ministack.services import sqs

from embedded_aws.cloudwatch import clock
from embedded_aws.settings import Settings

# CloudWatch's name of a metric and SQS's name of the queue attribute it shows.
_METRICS = {
    "ApproximateNumberOfMessagesVisible": "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible": "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed": "ApproximateNumberOfMessagesDelayed",
}


def install(_: Settings) -> None:
    clock.add_recorder(record_queue_depths)


def record_queue_depths(at: float) -> None:
    for url, queue in list(sqs._queues.items()):
        sqs._refresh_counts(queue)
        dimensions = {"QueueName": url.rsplit("/", 1)[-1]}
        for metric, attribute in _METRICS.items():
            clock.record("AWS/SQS", metric, float(queue["attributes"][attribute]), dimensions, at)
