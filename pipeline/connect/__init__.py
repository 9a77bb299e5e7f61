"""Ways in and out for apps: the HTTP API, the client, LiveKit, RTP, vendors."""
