"""The certificate authority of this machine, and the TLS certificates that it issues.

The HTTPS port needs a certificate. A public authority cannot issue one for localhost, so the first
start creates an authority in the state folder. A client trusts it by reading `ca.pem`; no trust
store of the machine is changed.
"""

import datetime
import ipaddress
import os
import ssl
import threading
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from ministack.services import acm

from embedded_aws.account_scope import account_scope
from embedded_aws.settings import Settings

_AUTHORITY_DAYS = 3650
_CERTIFICATE_DAYS = 397  # Browsers refuse longer ones.
_LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
_ALPN_PROTOCOLS = ["http/1.1"]


class Authority:
    """Creates its key once, and a certificate for each name that a client asks for."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock = threading.Lock()
        self._contexts: dict[str, ssl.SSLContext] = {}
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o700)
        if not self.certificate_file.exists():
            self._create()
        self._certificate = x509.load_pem_x509_certificate(self.certificate_file.read_bytes())
        key = serialization.load_pem_private_key(self._key_file.read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self._key_file} does not hold an elliptic curve key")
        self._key = key

    @property
    def certificate_file(self) -> Path:
        return self._directory / "ca.pem"

    @property
    def _key_file(self) -> Path:
        return self._directory / "ca-key.pem"

    def issue(self, *names: str) -> tuple[Path, Path]:
        """The files of a new certificate for these names, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        certificate = (
            _builder(_name(names[0]), self._certificate.subject, key, _CERTIFICATE_DAYS)
            .add_extension(alternatives, critical=False)
            .add_extension(server, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        file_name = names[0].replace("*", "any")
        certificate_file = self._directory / f"{file_name}.pem"
        key_file = self._directory / f"{file_name}-key.pem"
        _write(certificate_file, certificate.public_bytes(serialization.Encoding.PEM))
        _write(key_file, _pem_of(key))
        return certificate_file, key_file

    def context_for(self, name: str) -> ssl.SSLContext:
        """TLS with a certificate for one name; the first call issues it."""
        with self._lock:
            if name not in self._contexts:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(*self.issue(name))
                context.set_alpn_protocols(_ALPN_PROTOCOLS)
                self._contexts[name] = context
            return self._contexts[name]

    def _create(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Embedded AWS of this machine")
        usage = x509.KeyUsage(
            key_cert_sign=True, crl_sign=True, digital_signature=False, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False,
            encipher_only=False, decipher_only=False,
        )  # fmt: skip
        certificate = (
            _builder(name, name, key, _AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(
                x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False
            )
            .sign(key, hashes.SHA256())
        )
        _write(self._key_file, _pem_of(key))
        # Last: its existence says that the authority is complete.
        _write(self.certificate_file, certificate.public_bytes(serialization.Encoding.PEM))


def local_authority(settings: Settings) -> Authority:
    return Authority(settings.certificates_dir)


def server_files(authority: Authority) -> tuple[Path, Path]:
    """The certificate under which the HTTPS port answers as localhost, and its key."""
    return authority.issue(*_LOCAL_NAMES)


def choose_by_name(context: ssl.SSLContext, authority: Authority, settings: Settings) -> None:
    """Answer with the certificate of the name that the client asks for, if ACM has one for it."""

    def choose(
        connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext
    ) -> None:
        with account_scope(settings):
            if name and _acm_has(name):
                connection.context = authority.context_for(name)

    context.sni_callback = choose


def _acm_has(name: str) -> bool:
    parent = name.partition(".")[2]
    names = {name, f"*.{parent}"}
    return any(
        names & {certificate["DomainName"], *certificate.get("SubjectAlternativeNames", [])}
        for certificate in list(acm._certificates.values())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=days))
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _write(file: Path, content: bytes) -> None:
    partial = file.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(content)
    partial.rename(file)
