"""The receiver of RTP from media servers such as mediasoup and Janus. docs/integrate.md is the manual."""
