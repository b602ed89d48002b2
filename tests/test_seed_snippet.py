"""The Python lines of the seed's README, in a checkout: `from model import ...`, `from utils import ...`."""

import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tricue
from tricue.checkpoint.checkpoint import save_checkpoint

ROOT = Path(__file__).resolve().parents[1]
SNIPPET = """
from model import MultimodalEmotionRecognizer
from utils import load_data, preprocess

model = MultimodalEmotionRecognizer.from_pretrained('checkpoints/best_model.pth')
text, audio, video = preprocess(input_data)
prediction = model.predict(text, audio, video)
print(f"Predicted emotion: {prediction}")
"""


@pytest.mark.parametrize(
    ("name", "public"), [("model", ["MultimodalEmotionRecognizer"]), ("utils", ["load_data", "preprocess"])]
)
def test_the_seeds_modules_lie_beside_train(name: str, public: list[str]) -> None:
    module = runpy.run_path(str(ROOT / f"{name}.py"))
    assert module["__all__"] == public
    assert all(module[own] is getattr(tricue, own) for own in public)


@pytest.mark.slow
def test_the_seeds_python_lines_work_in_a_checkout(untrained: Callable[..., Any], tmp_path: Path) -> None:
    recognizer = untrained({"modalities": ["text"]})
    save_checkpoint(tmp_path / "checkpoints" / "best_model", recognizer.network, recognizer.card)
    for name in ("model.py", "utils.py", "src"):  # the checkout; what is trained lies beside it
        (tmp_path / name).symlink_to(ROOT / name)
    code = f"input_data = 'I am so happy'\n{SNIPPET}\nprint(load_data.__module__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()[-2:]
    assert first.removeprefix("Predicted emotion: ") in ("anger", "joy", "neutral")
    assert second == "tricue.corpora.catalogue"
