"""What an app that uses a vendor's voice rooms needs: the audio from its SDK, and the events from its callbacks."""
