"""Voxwarden's stages, review and console, without Faust and Kafka: one stage a folder, one idea a file."""

import os

# Before anything loads OpenMP: PyTorch's threads sleep while they wait for one another, instead of spinning. Where
# other work shares the cores, as the stages do, a Whisper decode is six times as fast so (2 cores, both taken).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# NumPy's products here are small: threads of its own would only be in the way of those that recognise speech.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
