from pathlib import Path

import onnxruntime
import torch
from torch import Tensor, nn

from pipeline.learning import onnx_file


class Twice(nn.Module):
    def forward(self, numbers: Tensor) -> Tensor:
        return torch.relu(numbers * 2)


def test_a_module_is_written_without_the_folders_of_this_machine(tmp_path: Path) -> None:
    path = tmp_path / "twice.onnx"
    onnx_file.write(Twice().eval(), (torch.zeros(3),), path, input_names=["given"], output_names=["twice"])
    [found] = onnxruntime.InferenceSession(path).run(["twice"], {"given": torch.tensor([1.0, -1, 2]).numpy()})
    assert found.tolist() == [2, 0, 4]
    assert str(Path(__file__).parent).encode() not in path.read_bytes()
    assert b".py" not in path.read_bytes()


def test_no_shipped_model_names_a_folder() -> None:
    models = sorted((Path(__file__).parents[3] / "pipeline").rglob("*.onnx"))
    assert len(models) >= 3
    assert [path.name for path in models if b".py" in path.read_bytes()] == []
