"""The messages between stages, the topics and the stages as data, and the interfaces of both."""
