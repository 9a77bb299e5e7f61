"""openai-whisper's encoder for less than 30 s."""

from torch import Tensor
from torch.nn.functional import gelu
from whisper.model import AudioEncoder


def encode(encoder: AudioEncoder, mel: Tensor) -> Tensor:
    """Of `mel` (clips, bands, frames), shape (clips, positions, width).

    Whisper's own forward insists on 30 s; its positions are sinusoids, so that the first are enough for less.
    """
    heard = gelu(encoder.conv2(gelu(encoder.conv1(mel)))).permute(0, 2, 1)
    heard = (heard + encoder.positional_embedding[: heard.shape[1]]).to(heard.dtype)
    for block in encoder.blocks:
        heard = block(heard)
    encoded: Tensor = encoder.ln_post(heard)
    return encoded
