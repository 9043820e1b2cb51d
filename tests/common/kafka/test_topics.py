"""Topics: made in development as declared, only verified where somebody else makes them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from common.aggregate import PARTITIONS
from common.kafka.embedded import EmbeddedKafka
from common.kafka.publisher import State
from common.kafka.topics import RULES, Topic, TopicsDifferError, differences_of, ensure_topics
from kafka_kit import House, running, settings_for, state_is, thing_of

DECLARED = {rule.name: rule.value for rule in RULES}


def _topic(
    partitions: int = PARTITIONS, replicas: int = 3, config: Mapping[str, str] | None = None
) -> Topic:
    given = {"min.insync.replicas": "2", **DECLARED, **(config or {})}
    return Topic("a.b.v1", partitions, replicas, given)


async def test_missing_topics_are_made_as_declared_and_made_once(
    kafka: EmbeddedKafka, unique: str
) -> None:
    settings = settings_for(kafka.bootstrap_servers, "postgresql+asyncpg://nowhere/none")
    aggregates = (thing_of(f"topics-{unique}"),)
    await ensure_topics(settings, aggregates)
    await ensure_topics(settings, aggregates)


async def test_where_we_only_verify_a_missing_topic_is_named_and_not_made(
    kafka: EmbeddedKafka, unique: str
) -> None:
    settings = settings_for(
        kafka.bootstrap_servers, "postgresql+asyncpg://nowhere/none", kafka_create_topics=False
    )
    aggregates = (thing_of(f"topics-{unique}"),)
    for _ in range(2):
        with pytest.raises(TopicsDifferError, match=f"topics-{unique}.thing.v1 does not exist"):
            await ensure_topics(settings, aggregates)


async def test_a_topic_that_differs_is_refused_even_in_development(
    kafka: EmbeddedKafka, unique: str
) -> None:
    settings = settings_for(kafka.bootstrap_servers, "postgresql+asyncpg://nowhere/none")
    aggregate = thing_of(f"topics-{unique}")
    await _make(kafka, aggregate.topic, partitions=3)
    with pytest.raises(TopicsDifferError) as refused:
        await ensure_topics(settings, (aggregate,))
    assert "has 3 partitions, not 6" in str(refused.value)
    assert "cleanup.policy is delete, must be exactly compact" in str(refused.value)


async def test_a_publisher_halts_on_topics_that_are_not_as_declared(
    kafka: EmbeddedKafka, house: House
) -> None:
    await _make(kafka, house.topic, partitions=3)
    async with running(house.publisher()) as publisher:
        await state_is(publisher, State.HALTED)
        assert "has 3 partitions, not 6" in publisher.trouble


async def _make(kafka: EmbeddedKafka, topic: str, partitions: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, partitions, 1)])
    finally:
        await admin.close()


@pytest.mark.parametrize(
    "topic, said",
    [
        (_topic(), None),
        (None, "does not exist"),
        (_topic(partitions=12), "has 12 partitions, not 6"),
        (_topic(replicas=1), "has 1 replicas, fewer than 3"),
        (_topic(config={"min.insync.replicas": "1"}), "is 1, must be at least 2"),
        (_topic(config={"cleanup.policy": "compact,delete"}), "must be exactly compact"),
        (_topic(config={"message.timestamp.type": "CreateTime"}), "must be exactly LogAppendTime"),
        (_topic(config={"max.message.bytes": "65536"}), "max.message.bytes is 65536"),
        (_topic(config={"max.message.bytes": "10485760"}), None),
        (_topic(config={"delete.retention.ms": "86400000"}), "delete.retention.ms is 86400000"),
        (_topic(config={"segment.ms": "604800000"}), "must be at most 21600000"),
        (_topic(config={"segment.ms": "soon"}), "segment.ms is soon"),
    ],
)
def test_a_topic_is_held_against_its_declaration(topic: Topic | None, said: str | None) -> None:
    found = differences_of("a.b.v1", topic, 3)
    assert found == [] if said is None else said in "; ".join(found)
