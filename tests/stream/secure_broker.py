"""Kafka with TLS, SCRAM and access rights. The JDK's keytool makes its certificate for the test."""

import subprocess
from pathlib import Path

from tests.broker import START_SECONDS, Broker

USERNAME, PASSWORD = "voxwarden", "correct-horse"
"""This account may do everything."""
LIMITED = "limited"
"""This account has no rights until a test grants them. Its password is its name."""

SECURE = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
controller.listener.names=CONTROLLER
log.dirs={folder}/logs
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
listeners=SASL_SSL://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=SASL_SSL://127.0.0.1:{port}
inter.broker.listener.name=SASL_SSL
listener.security.protocol.map=SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config={login}
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:{username};User:ANONYMOUS
ssl.keystore.type=PKCS12
ssl.keystore.location={folder}/broker.p12
ssl.keystore.password=changeit
ssl.key.password=changeit
ssl.truststore.type=PEM
ssl.truststore.location={folder}/ca.pem
"""
KEYTOOL = ("keytool", "-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC")
LOGIN = f'org.apache.kafka.common.security.scram.ScramLoginModule required username="{USERNAME}" password="{PASSWORD}";'


class SecureBroker(Broker):
    """A broker with TLS and SCRAM. `ca_file` is the certificate to trust."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.ca_file = folder / "ca.pem"

    def format(self) -> None:
        """Prepare its folder with the certificate and the users."""
        self.make_certificate()
        controller = self._controllers[0]
        file = self._folder / "server.properties"
        values = {"port": self._port, "controller": controller, "folder": self._folder}
        file.write_text(SECURE.format(**values, login=LOGIN, username=USERNAME))
        users = [f"SCRAM-SHA-512=[name={name},password={PASSWORD}]" for name in (USERNAME, LIMITED)]
        self.format_storage(*(word for user in users for word in ("--add-scram", user)))

    def make_certificate(self) -> None:
        store = ["-keystore", str(self._folder / "broker.p12"), "-storepass", "changeit", "-alias", "broker"]
        names = ["-dname", "CN=127.0.0.1", "-ext", "SAN=IP:127.0.0.1", "-validity", "2"]
        key = ["-keyalg", "EC", "-groupname", "secp256r1", "-storetype", "PKCS12"]
        make = [*KEYTOOL, "-genkeypair", *key, *names, *store]
        subprocess.run(make, check=True, capture_output=True, timeout=START_SECONDS)
        show = [*KEYTOOL, "-exportcert", "-rfc", "-file", str(self.ca_file), *store]
        subprocess.run(show, check=True, capture_output=True, timeout=START_SECONDS)
