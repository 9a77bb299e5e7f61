"""Commands that need Kafka, and commands that run the whole pipeline on one machine."""
