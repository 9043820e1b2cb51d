"""Kafka: events out, mirrors in, and the development broker."""
