"""The PCM codecs and the type of their samples."""

import numpy as np

PCM: dict[str, np.dtype[np.int16] | np.dtype[np.float32]] = {
    "pcm_s16le": np.dtype("<i2"),
    "pcm_f32le": np.dtype("<f4"),
}
