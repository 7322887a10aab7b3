"""The PUT to CloudFormation, against a real HTTP server on this machine."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from shared.aws.https_answer_channel import AnswerNotDeliveredError, HttpsAnswerChannel


class AnswerServer(HTTPServer):
    """Answers with the given statuses, the last one for ever, and stores the requests."""

    def __init__(self, *statuses):
        self.statuses = list(statuses)
        self.received = []
        super().__init__(("127.0.0.1", 0), AnswerHandler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/answer?X-Amz-Signature=SECRETSIGNATURE"


class AnswerHandler(BaseHTTPRequestHandler):
    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server = self.server
        server.received.append((self.path, self.headers["Content-Type"], body))
        self.send_response(
            server.statuses.pop(0) if len(server.statuses) > 1 else server.statuses[0]
        )
        self.end_headers()

    def log_message(self, *args):
        """Keeps the server's log out of the test's output."""


@pytest.fixture
def serve():
    servers = []

    def start(*statuses):
        server = AnswerServer(*statuses)
        servers.append(server)
        # The default poll interval would make each test wait half a second for the shutdown.
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_puts_the_body_without_a_content_type(serve):
    server = serve(200)
    HttpsAnswerChannel().put(server.url, b"{}")
    # The URL was signed without a content type.
    assert server.received == [("/answer?X-Amz-Signature=SECRETSIGNATURE", "", b"{}")]


def test_repeats_with_growing_waits_when_the_bucket_fails(serve):
    waits = []
    server = serve(503, 500, 200)
    HttpsAnswerChannel(waits.append).put(server.url, b"{}")
    assert len(server.received) == 3
    assert waits == [1, 2]


def test_gives_up_and_reports_the_status_when_the_answer_is_never_accepted(serve):
    server = serve(403)
    with pytest.raises(AnswerNotDeliveredError, match=r"5 attempts.*HTTP status 403"):
        HttpsAnswerChannel(lambda seconds: None).put(server.url, b"{}")
    assert len(server.received) == 5


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:1/SECRET",
        "strange://SECRET",
        "http://bucket.invalid\nSECRET/",
        "http://127.0.0.1:1/SECRET with spaces",
    ],
)
def test_never_reports_the_url_when_it_cannot_be_reached(url):
    with pytest.raises(AnswerNotDeliveredError) as caught:
        HttpsAnswerChannel(lambda seconds: None).put(url, b"{}")
    error = caught.value
    assert "SECRET" not in str(error)
    assert error.__cause__ is None
    assert error.__context__ is None
