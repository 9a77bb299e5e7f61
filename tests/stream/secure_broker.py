"""Kafka that takes clients by TLS and SCRAM only, with a certificate made for the occasion by the JDK's keytool."""

import subprocess
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

from tests.broker import SERVER, START_SECONDS, Broker, free_port

USERNAME, PASSWORD = "voxwarden", "correct-horse"

SECURE = """
listeners=SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=SASL_SSL://127.0.0.1:{port}
inter.broker.listener.name=SASL_SSL
listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={login}
ssl.keystore.type=PKCS12
ssl.keystore.location={folder}/broker.p12
ssl.keystore.password=changeit
ssl.key.password=changeit
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
"""
LOGIN = f'org.apache.kafka.common.security.scram.ScramLoginModule required username="{USERNAME}" password="{PASSWORD}";'


class SecureBroker(Broker):
    """The certificate to trust is in `ca_file`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ca_file = folder / "ca.pem"

    def _format(self) -> None:
        self._make_certificate()
        values = {"port": self._port, "controller": free_port(), "folder": self._folder, "login": LOGIN}
        lines = [line for line in SERVER.format(**values).splitlines() if not line.startswith(("listener", "advert"))]
        properties = self._folder / "server.properties"
        properties.write_text("\n".join(lines) + "\ncontroller.listener.names=CONTROLLER\n" + SECURE.format(**values))
        cluster = urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        user = f"SCRAM-SHA-512=[name={USERNAME},password={PASSWORD}]"
        command = ["kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(properties), "--add-scram", user]
        subprocess.run(self._java(*command), check=True, capture_output=True, timeout=START_SECONDS)

    def _make_certificate(self) -> None:
        store = ["-keystore", str(self._folder / "broker.p12"), "-storepass", "changeit", "-alias", "broker"]
        names = ["-dname", "CN=127.0.0.1", "-ext", "SAN=IP:127.0.0.1", "-validity", "2"]
        make = ["keytool", "-genkeypair", "-keyalg", "RSA", "-keysize", "2048", "-storetype", "PKCS12", *names, *store]
        subprocess.run(make, check=True, capture_output=True, timeout=START_SECONDS)
        show = ["keytool", "-exportcert", "-rfc", "-file", str(self.ca_file), *store]
        subprocess.run(show, check=True, capture_output=True, timeout=START_SECONDS)
