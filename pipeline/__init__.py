"""The stages, review and console of Voxwarden, without Faust and Kafka: one folder per stage, one idea per file."""

import os

# Must be set before OpenMP is loaded. PyTorch's threads then sleep while they wait for each other, instead of spinning.
# The stages share the cores, and a Whisper decode is six times as fast this way (measured on 2 cores, both busy).
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# NumPy multiplies small matrices here. Its own threads would only slow down the threads that recognise speech.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
