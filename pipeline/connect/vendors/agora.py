"""Takes the audio of each user from Agora's Python server SDK."""

from typing import Any

from pipeline.connect.vendors.room_audio import SAMPLE_BYTES, RoomAudio


class AgoraAudio:
    """An observer of audio frames. Derive your observer from this class and from the SDK's IAudioFrameObserver.

    The SDK calls it in a thread of its own, and waits for it. So it only copies the frame.
    """

    def __init__(self, audio: RoomAudio) -> None:
        self._room_audio = audio

    def on_playback_audio_frame_before_mixing(
        self, local_user: Any, channel: str, uid: str, frame: Any, vad_state: int, vad_bytes: bytearray | None
    ) -> int:
        """Take the frame of one user. `frame` has 16-bit PCM in `buffer`."""
        del local_user, vad_state, vad_bytes
        if frame.bytes_per_sample == SAMPLE_BYTES:
            self._room_audio.push(channel, uid, bytes(frame.buffer), frame.samples_per_sec, frame.channels)
        return 1
