"""Two small demo rooms with recorded speech. `rooms.yaml` has their text."""
