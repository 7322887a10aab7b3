"""The topic for notifications."""

from typing import TYPE_CHECKING

from publish_dags.messages import Message
from shared.aws.named_errors import named_errors

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


class SnsNotifier:
    def __init__(self, client: "SNSClient", topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def notify(self, message: Message) -> None:
        """AwsCallError if the message cannot be published."""
        with named_errors("notify the topic"):
            self._client.publish(
                TopicArn=self._topic_arn, Subject=message.subject, Message=message.text
            )
