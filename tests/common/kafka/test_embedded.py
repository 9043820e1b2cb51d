"""The development broker: what the tests themselves stand on."""

from __future__ import annotations

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from common.kafka.embedded import EmbeddedKafka


async def _topics(broker: EmbeddedKafka) -> list[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await admin.start()
    try:
        return sorted(await admin.list_topics())
    finally:
        await admin.close()


async def _create(broker: EmbeddedKafka, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, 1, 1)])
    finally:
        await admin.close()


async def _cluster(broker: EmbeddedKafka) -> str:
    admin = AIOKafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    await admin.start()
    try:
        return str((await admin.describe_cluster())["cluster_id"])
    finally:
        await admin.close()


async def test_a_committed_transaction_is_read_back(kafka: EmbeddedKafka, unique: str) -> None:
    await _create(kafka, unique)
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap_servers, transactional_id=f"tx-{unique}"
    )
    await producer.start()
    async with producer.transaction():
        await producer.send_and_wait(unique, b"value", key=b"key")
    await producer.stop()
    consumer = AIOKafkaConsumer(
        unique,
        bootstrap_servers=kafka.bootstrap_servers,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
    )
    await consumer.start()
    record = await consumer.getone()
    await consumer.stop()
    assert (record.key, record.value) == (b"key", b"value")


async def test_a_killed_broker_comes_back_with_its_data_on_its_port_and_a_wiped_one_without(
    own_kafka: EmbeddedKafka,
) -> None:
    await _create(own_kafka, "kept")
    before, address = await _cluster(own_kafka), own_kafka.bootstrap_servers
    own_kafka.kill()
    own_kafka.start()
    assert (await _topics(own_kafka), await _cluster(own_kafka)) == (["kept"], before)
    own_kafka.wipe()
    assert await _topics(own_kafka) == []
    assert await _cluster(own_kafka) != before
    assert own_kafka.bootstrap_servers == address
