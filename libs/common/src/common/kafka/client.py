"""How we connect to Kafka: the one place that names aiokafka's connection arguments.

It opens no topic and knows no event. Everything that talks to the broker (topics, publisher,
consumer) asks here for its connection.
"""

import asyncio
import ssl
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient

from common.settings import CommonSettings

SASL_MECHANISM = "SCRAM-SHA-512"
"""The password exchange where SASL is used; the password itself never travels."""

REQUEST_TIMEOUT_MS = 10_000
METADATA_MAX_AGE_MS = 60_000


def connection(settings: CommonSettings, client_id: str) -> dict[str, Any]:
    """The arguments with which every aiokafka client connects, ready to be passed on as keywords.

    `client_id` is what the broker's logs and quotas know us by.
    """
    protocol = settings.kafka_security_protocol
    options: dict[str, Any] = {
        "bootstrap_servers": settings.kafka_bootstrap_servers,
        "client_id": client_id,
        "request_timeout_ms": REQUEST_TIMEOUT_MS,
        "metadata_max_age_ms": METADATA_MAX_AGE_MS,
        "security_protocol": protocol,
    }
    if protocol.endswith("SSL"):
        options["ssl_context"] = ssl.create_default_context(cafile=settings.kafka_ca_file)
    if protocol.startswith("SASL"):
        options["sasl_mechanism"] = SASL_MECHANISM
        options["sasl_plain_username"] = settings.kafka_sasl_username
        options["sasl_plain_password"] = settings.kafka_sasl_password.get_secret_value()
    return options


async def cluster_id(settings: CommonSettings) -> str:
    """The identity of the cluster behind `kafka_bootstrap_servers`.

    A wiped or replaced cluster has another one: offsets and cursors of the old one mean nothing
    there. Raises aiokafka.errors.KafkaError when no broker answers.
    """
    admin = AIOKafkaAdminClient(**connection(settings, "frontline-cluster"))
    try:
        async with asyncio.timeout(REQUEST_TIMEOUT_MS / 1000):
            await admin.start()
            described = await admin.describe_cluster()
    finally:
        await admin.close()
    return str(described["cluster_id"])
