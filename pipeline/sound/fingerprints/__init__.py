"""Hears banned recordings in a stream of audio.

The method is from Wang, "An industrial-strength audio search algorithm" (ISMIR 2003). Its frequency axis is
logarithmic, so that a recording is also heard when it plays a little faster or slower.

- `spectrum.py`: the spectrogram of the audio
- `landmarks.py`: its peaks, which survive codecs, noise and talk, and pairs of them, as numbers
- `fingerprint.py`: the landmarks of a banned recording
- `landmark_index.py`: finds a landmark in all recordings at once
- `matching.py`: a recording plays if many landmarks are found at one offset
- `recording_detector.py`: hears the recordings of the bank (`pipeline/review/recording_bank.py`) in live rooms
"""
