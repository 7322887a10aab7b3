"""A server that claims to be the database: PostgreSQL behind TLS with one certificate or another.

The local PostgreSQL has no TLS, so a relay in front of it speaks TLS, as PostgreSQL does.
"""

import asyncio
import datetime
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from airflow_on_fargate.database import tls

HOST = "airflow.abc.eu-central-1.rds.amazonaws.com"
# What a client sends to ask for TLS: its length, and a number that is no version.
SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


class Authority:
    """Issues certificates of servers."""

    def __init__(self, folder: Path, name: str) -> None:
        from cryptography.hazmat.primitives.asymmetric import ec

        self._folder, self._name = folder, name
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        self._certificate = self._issue(name, self._key, is_authority=True)
        self.file.write_bytes(self._pem(self._certificate))

    def context(self, host: str) -> ssl.SSLContext:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        file = self._folder / f"{self._name}-{host}.pem"
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        file.write_bytes(private + self._pem(self._issue(host, key, is_authority=False)))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def _issue(self, name: str, key: Any, is_authority: bool) -> Any:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes
        from cryptography.x509.oid import NameOID

        now = datetime.datetime.now(datetime.UTC)
        issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._name)])
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
        return (
            x509.CertificateBuilder()
            .issuer_name(issuer)
            .subject_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
            # Python checks certificates strictly by default.
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .add_extension(_key_usage(is_authority), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def _pem(self, certificate: Any) -> bytes:
        from cryptography.hazmat.primitives import serialization

        pem: bytes = certificate.public_bytes(serialization.Encoding.PEM)
        return pem


def _key_usage(is_authority: bool) -> Any:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not is_authority, key_cert_sign=is_authority, crl_sign=is_authority,
        content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip


@contextmanager
def relay(port: int, context: ssl.SSLContext | None) -> Iterator[int]:
    """The port of a server that speaks TLS to clients, and plain to PostgreSQL."""
    listening = threading.Event()
    found: list[Any] = []

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = await reader.readexactly(len(SSL_REQUEST))
            if first == SSL_REQUEST:
                writer.write(b"S" if context else b"N")
                await writer.drain()
                if context:
                    await writer.start_tls(context)
                first = b""
            behind_reader, behind = await asyncio.open_connection("127.0.0.1", port)
            behind.write(first)
            await asyncio.gather(copy(reader, behind), copy(behind_reader, writer))
        except (OSError, EOFError):
            writer.close()

    async def listen() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        done = asyncio.Event()
        found.extend((server.sockets[0].getsockname()[1], asyncio.get_running_loop(), done))
        listening.set()
        await done.wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(listen(),), daemon=True)
    thread.start()
    assert listening.wait(30)
    number, loop, done = found
    yield number
    loop.call_soon_threadsafe(done.set)
    thread.join(30)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Authority:
    found = Authority(tmp_path, "of-amazon")
    monkeypatch.setattr(tls, "AUTHORITIES", found.file)
    return found


def ask(metadata: Any, port: int) -> int:
    """As Airflow connects: with the URL of the secret, changed at start."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    # hostaddr stands in for the name's address, which a redirected name would have.
    url = metadata.set(host=HOST, port=port, query={"hostaddr": "127.0.0.1"})
    environment = {tls.METADATA: url.render_as_string(hide_password=False)}
    tls.apply(environment)
    engine = create_engine(environment[tls.METADATA], poolclass=NullPool)
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT 1")).scalar_one())


def test_connects_to_the_server_of_the_url(metadata: Any, authority: Authority) -> None:
    with relay(metadata.port, authority.context(HOST)) as port:
        assert ask(metadata, port) == 1


@pytest.mark.parametrize(
    "server", ["with a certificate of another authority", "with another name", "without TLS"]
)
def test_refuses_a_server_that_only_claims_to_be_the_database(
    metadata: Any, authority: Authority, tmp_path: Path, server: str
) -> None:
    from sqlalchemy.exc import OperationalError

    context = {
        "with a certificate of another authority": lambda: Authority(
            tmp_path, "of-the-attacker"
        ).context(HOST),
        "with another name": lambda: authority.context("other.eu-central-1.rds.amazonaws.com"),
        "without TLS": lambda: None,
    }[server]()
    with relay(metadata.port, context) as port, pytest.raises(OperationalError) as caught:
        ask(metadata, port)
    assert "SSL" in str(caught.value) or "certificate" in str(caught.value)
