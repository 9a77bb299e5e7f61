"""The receiver of RTP from media servers such as mediasoup and Janus. docs/rtp.md is the manual."""
