"""Kafka: clients, topics, and what commands read and write there."""
