"""For apps that use a vendor's voice rooms: the audio from its SDK, and the events from its callbacks."""
