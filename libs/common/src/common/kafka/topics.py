"""The topics of a service, declared once and derived from its aggregates.

In development the program creates them. In production somebody else does (an operator such as
Strimzi), and the program only says in which point they differ: it never changes a topic that
exists.
"""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import structlog
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, for_code

from common.aggregate import PARTITIONS, Aggregate
from common.kafka.client import REQUEST_TIMEOUT_MS, connection
from common.settings import CommonSettings

log = structlog.get_logger(__name__)

MAX_MESSAGE_BYTES = 1024 * 1024
"""The largest batch a partition takes: one event of 256 KiB with room, or many small ones."""

_HOUR_MS = 3_600_000
_BROKER_DEFAULT = -1


class Bound(StrEnum):
    """How a topic's value is held against ours."""

    EXACTLY = "exactly"
    AT_LEAST = "at least"
    AT_MOST = "at most"


@dataclass(frozen=True)
class Rule:
    """One configuration entry that every topic of ours has, and why."""

    name: str
    value: str
    bound: Bound
    why: str

    def holds(self, value: str | None) -> bool:
        """Whether a topic with `value` will do."""
        if value is None or self.bound is Bound.EXACTLY:
            return value == self.value
        try:
            if self.bound is Bound.AT_LEAST:
                return int(value) >= int(self.value)
            return int(value) <= int(self.value)
        except ValueError:
            return False


RULES = (
    Rule("cleanup.policy", "compact", Bound.EXACTLY, "a late subscriber finds every latest state"),
    Rule(
        "message.timestamp.type", "LogAppendTime", Bound.EXACTLY, "a publisher's clock may be wrong"
    ),
    Rule("max.message.bytes", str(MAX_MESSAGE_BYTES), Bound.AT_LEAST, "the largest state fits"),
    Rule(
        "delete.retention.ms",
        str(14 * 24 * _HOUR_MS),
        Bound.AT_LEAST,
        "a subscriber that was away still meets the tombstones",
    ),
    Rule(
        "max.compaction.lag.ms",
        str(24 * _HOUR_MS),
        Bound.AT_MOST,
        "what was erased leaves the log within a day",
    ),
    Rule(
        "segment.ms",
        str(6 * _HOUR_MS),
        Bound.AT_MOST,
        "compaction never touches the open segment; old watermarks must go",
    ),
)


class TopicsDifferError(Exception):
    """Topics are missing or not as declared. `differences` has a sentence for each."""

    def __init__(self, differences: Iterable[str]) -> None:
        self.differences = tuple(differences)
        super().__init__("; ".join(self.differences))


@dataclass(frozen=True)
class Topic:
    """A topic as the broker describes it. `config` has at least the names in `RULES`."""

    name: str
    partitions: int
    replicas: int
    config: Mapping[str, str]


def topic_names(aggregates: Iterable[Aggregate]) -> tuple[str, ...]:
    """The topics of `aggregates`, in their order."""
    return tuple(aggregate.topic for aggregate in aggregates)


async def ensure_topics(settings: CommonSettings, aggregates: Iterable[Aggregate]) -> None:
    """Create what is missing where `kafka_create_topics` allows it, and verify the rest.

    Raises TopicsDifferError saying what differs; aiokafka.errors.KafkaError when no broker answers.
    """
    names = topic_names(aggregates)
    admin = AIOKafkaAdminClient(**connection(settings, "frontline-topics"))
    try:
        async with asyncio.timeout(2 * REQUEST_TIMEOUT_MS / 1000):
            await admin.start()
            found = await _describe(admin, names)
            missing = [name for name in names if name not in found]
            if missing and settings.kafka_create_topics:
                await _create(admin, missing)
                found = await _until_described(admin, names)
    finally:
        await admin.close()
    replicas = 1 if settings.kafka_create_topics else settings.kafka_replication_factor
    differences = [
        sentence for name in names for sentence in differences_of(name, found.get(name), replicas)
    ]
    if differences:
        raise TopicsDifferError(differences)


def differences_of(name: str, topic: Topic | None, replicas: int) -> list[str]:
    """In what `topic` differs from the declaration, a sentence each. None: it does not exist.

    `replicas` are needed at least, and with several of them a write must reach all but one.
    """
    if topic is None:
        return [f"topic {name} does not exist"]
    found = []
    if topic.partitions != PARTITIONS:
        found.append(f"topic {name} has {topic.partitions} partitions, not {PARTITIONS}")
    if topic.replicas < replicas:
        found.append(f"topic {name} has {topic.replicas} replicas, fewer than {replicas}")
    for rule in (*RULES, *_rules_for(replicas)):
        value = topic.config.get(rule.name)
        if not rule.holds(value):
            found.append(
                f"topic {name}: {rule.name} is {value}, must be {rule.bound} {rule.value}"
                f" ({rule.why})"
            )
    return found


def _rules_for(replicas: int) -> tuple[Rule, ...]:
    if replicas == 1:
        return ()
    why = "what we are told is written survives the loss of a broker"
    return (Rule("min.insync.replicas", str(replicas - 1), Bound.AT_LEAST, why),)


async def _create(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    options: dict[str, Any] = {
        "topic_configs": {rule.name: rule.value for rule in RULES},
        "replica_assignments": {},  # aiokafka wants one beside the broker's own replication factor
    }
    answer = await admin.create_topics(
        [NewTopic(name, PARTITIONS, _BROKER_DEFAULT, **options) for name in names]
    )
    for name, code, message in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:  # another process was as quick
            raise error(f"topic {name} could not be created: {message}")
    log.info("topics_created", topics=names)


async def _until_described(admin: AIOKafkaAdminClient, names: tuple[str, ...]) -> dict[str, Topic]:
    """What the broker says of `names` once it knows them all; a new topic takes a moment."""
    while True:
        found = await _describe(admin, names)
        if len(found) == len(names):
            return found
        await asyncio.sleep(0.05)


async def _describe(admin: AIOKafkaAdminClient, names: tuple[str, ...]) -> dict[str, Topic]:
    """Those of `names` that exist and whose partitions all have a leader."""
    described = {
        topic["topic"]: topic["partitions"]
        for topic in await admin.describe_topics(None)
        if topic["topic"] in names
        and not topic["error_code"]
        and all(part["leader"] >= 0 for part in topic["partitions"])
    }
    if not described:
        return {}
    configs = await _configs(admin, list(described))
    return {
        name: Topic(
            name=name,
            partitions=len(partitions),
            replicas=min(len(part["replicas"]) for part in partitions),
            config=configs.get(name, {}),
        )
        for name, partitions in described.items()
    }


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    found: dict[str, dict[str, str]] = {}
    for answer in await admin.describe_configs(resources):
        for code, _, _, name, entries in answer.resources:
            if not code:  # a topic that is just being deleted
                found[name] = {entry[0]: entry[1] for entry in entries}
    return found
