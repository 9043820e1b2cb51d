"""What dashboards and alerts see of the publisher, made in the registry that is passed in."""

from prometheus_client import CollectorRegistry, Counter, Gauge


class PublisherMetrics:
    """The publisher's metrics. One per process and registry."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.events = Counter(
            "frontline_published_events", "Events committed to Kafka", registry=registry
        )
        self.batches = Counter(
            "frontline_published_batches", "Transactions committed to Kafka", registry=registry
        )
        self.failures = Counter(
            "frontline_publisher_failures",
            "Times that publishing broke off, by the kind of error",
            ["error"],
            registry=registry,
        )
        self.leading = Gauge(
            "frontline_publisher_leading", "1 while this process publishes", registry=registry
        )
        self.halted = Gauge(
            "frontline_publisher_halted",
            "1 while publishing would do harm and waits for a person",
            registry=registry,
        )
        self.lag = Gauge(
            "frontline_publisher_lag_positions",
            "Sealed journal rows that Kafka does not have yet, as the leader last saw it",
            registry=registry,
        )
        self.republished = Counter(
            "frontline_republished_records", "Latest states sent once more", registry=registry
        )
