"""Two small rooms that come with Voxwarden, to see it at work; `rooms.yaml` has their words."""
