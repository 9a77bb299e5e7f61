"""openai-whisper's encoder, adapted to clips of less than 30 s."""

from torch import Tensor
from torch.nn.functional import gelu
from whisper.model import AudioEncoder


def encode(encoder: AudioEncoder, mel: Tensor) -> Tensor:
    """Encode `mel`, shape (clips, bands, frames), to shape (clips, positions, width).

    Whisper's own `forward` requires 30 s. Its positional embeddings are sinusoids, so a shorter clip can use the first
    ones.
    """
    hidden = gelu(encoder.conv2(gelu(encoder.conv1(mel)))).permute(0, 2, 1)
    hidden = (hidden + encoder.positional_embedding[: hidden.shape[1]]).to(hidden.dtype)
    for block in encoder.blocks:
        hidden = block(hidden)
    encoded: Tensor = encoder.ln_post(hidden)
    return encoded
