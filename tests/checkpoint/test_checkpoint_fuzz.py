"""A checkpoint from elsewhere is validated whole: it is refused by one error, or answers as it did."""

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.mutations import COUNTS, DAMAGE, changed_json, damaged, flip_bit, survived, written

from tricue.baseline.baselines import fit_baselines
from tricue.baseline.pooled import LabelledRows
from tricue.checkpoint.card_fields import sealed
from tricue.checkpoint.checkpoint import Card, Seen, load_checkpoint, read_card, save_checkpoint
from tricue.config.load import load_config
from tricue.extractors import hub
from tricue.files.atomic import file_digest
from tricue.files.tensors import read_tensors, write_tensors
from tricue.model.network import Network
from tricue.tasks.categorical import Categorical
from tricue.types import Batch, InvalidFileError, Utterance

DIMS = {"text": (12,), "audio": (8, 5)}
CONFIG = load_config(
    None, {"modalities": ["text", "audio"], "model.width": 16, "model.bilstm_layers": 1, "model.bilstm_heads": 2}
)
EMOTIONS = ["anger", "joy", "neutral"]
ROWS = [Utterance(f"u{i}") for i in range(12)]
ARRAYS = {c: {r.id: np.full((2, sum(d)), i % 3, np.float32) for i, r in enumerate(ROWS)} for c, d in DIMS.items()}
BASELINES = fit_baselines(
    Categorical(tuple(EMOTIONS)), LabelledRows(ROWS, ARRAYS, np.arange(12) % 3), None, list(DIMS), 0
)
CARD = Card(
    CONFIG, EMOTIONS, DIMS, [0.5, 0.3, 0.2], phase=2, epoch=3, val_score=0.5,
    trained_on={"name": "MELD", "rows": {"train": 9}, "started_from": None},
    audit={"verdict": "warn", "checks": {"ids": {"verdict": "pass", "found": "none"}}, "not_checked": {"probe": "no"}},
    encoders={"text": "ab"}, samples={"text": [0.1, 0.2]},
    calibration={"temperature": 1.3, "rows": 9, "ece_before": 0.2, "ece_after": 0.1},
    seen=Seen(np.arange(9), np.arange(9, 12)), baselines=BASELINES,
)  # fmt: skip
Fields = dict[str, Any]


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    save_checkpoint(tmp_path / "best_model", Network.from_config(CONFIG, DIMS, 3), CARD)
    return tmp_path / "best_model"


def fields(folder: Path) -> Fields:
    content: Fields = json.loads((folder / "config.json").read_text())
    return content


def put(folder: Path, content: Fields) -> None:
    """Fields as somebody writes them who knows the digest."""
    content.pop("config_sha256", None)
    (folder / "config.json").write_text(json.dumps(sealed(content)))


def logits(network: Network) -> torch.Tensor:
    torch.manual_seed(1)
    values = {"text": torch.randn(2, 5, 12), "audio": torch.randn(2, 4, 13)}
    with torch.no_grad():
        return network(Batch(["a", "b"], values, {c: torch.ones(v.shape[:2]).bool() for c, v in values.items()})).logits


def test_a_changed_field_is_noticed(saved: Path) -> None:
    for change in ({"calibration": {"temperature": 1.4}}, {"emotions": ["joy", "anger", "neutral"]}, {"epoch": 4}):
        before = fields(saved)
        (saved / "config.json").write_text(json.dumps(before | change))
        with pytest.raises(InvalidFileError, match="changed since it was written"):
            read_card(saved)
        (saved / "config.json").write_text(json.dumps(before))


def test_a_field_changed_by_hand_is_taken_without_the_digest(saved: Path) -> None:
    content = fields(saved) | {"calibration": {"temperature": 2.0}}
    del content["config_sha256"]
    (saved / "config.json").write_text(json.dumps(content, indent=7))
    assert load_checkpoint(saved)[1].temperature == 2.0


def change(name: str, value: Any) -> Callable[[Fields], Any]:
    def set_value(content: Fields) -> None:
        *parents, leaf = name.split(".")
        for parent in parents:
            content = content[parent]
        content[leaf] = value

    return set_value


FAULTS = {
    "temperature 0": change("calibration.temperature", 0),
    "negative temperature": change("calibration.temperature", -1.0),
    "endless temperature": change("calibration.temperature", float("inf")),
    "no number as temperature": change("calibration.temperature", float("nan")),
    "temperature of text": change("calibration.temperature", "1"),
    "a huge temperature": change("calibration.temperature", 1e300),
    "labels twice": change("emotions", ["joy", "joy", "anger"]),
    "an empty label": change("emotions", ["joy", "", "anger"]),
    "a label of blanks": change("emotions", ["joy", "  ", "anger"]),
    "labels that are numbers": change("emotions", [1, 2, 3]),
    "half a surrogate": change("emotions", ["joy", "\ud800", "anger"]),
    "a label too many": change("emotions", [*EMOTIONS, "fear"]),
    "no label": change("emotions", []),
    "shares of 2": change("class_shares", [1.0, 0.5, 0.5]),
    "a negative share": change("class_shares", [1.2, -0.4, 0.2]),
    "shares too few": change("class_shares", [0.5, 0.5]),
    "a width of 10**9": change("config.model.width", 16 * 10**8),
    "a million layers": change("config.model.bilstm_layers", 10**6),
    "vectors of 10**9": change("dims.text", [10**9]),
    "vectors of -1": change("dims.text", [-1]),
    "vectors of 12.5": change("dims.text", [12.5]),
    "a modality that is none": change("dims", {"text": [12], "smell": [13]}),
    "a modality too many": change("dims.video", [7]),
    "a modality too few": change("dims", {"text": [12]}),
    "other modalities": change("modalities", ["text", "video"]),
    "heads that do not divide": change("config.model.bilstm_heads", 7),
    "a setting that is none": change("config.model.depth", 3),
    "endless dropout": change("config.training.margin", float("inf")),
    "no settings": change("config", []),
    "a phase 4": change("phase", 4),
    "a score in words": change("val_score", "high"),
    "a corpus that is a list": change("trained_on", []),
    "rows that are text": change("trained_on.rows", {"train": "many"}),
    "an audit of numbers": change("audit.checks", {"ids": 3}),
    "endless samples": change("samples", {"text": [float("inf")]}),
    "a digest that is none": change("weights_sha256", "0"),
    "a field that is none": change("temperature", 3.0),
    "an encoder of control signs": change("config.features.text.encoder", "a\x00b"),
    "an empty encoder": change("config.features.text.encoder", ""),
    "a baseline of five layers": change("baseline.models", [{"name": "MLP", "layers": 5, "calibration": None}]),
    "a baseline without a layer": change("baseline.models", [{"name": "MLP", "layers": 0, "calibration": None}]),
    "no baseline among them": change("baseline.models", []),
    "a baseline of another modality": change("baseline.deviations", {"text": True, "smell": True}),
    "means of one modality too few": change("baseline.deviations", {"text": True}),
    "deviations that there are not": change("baseline.deviations", {"text": True, "audio": False}),
    "a negative standard error": change("baseline.left_out.standard_error", -1.0),
    "a score of one group": change("baseline.left_out.groups", 1),
    "an endless penalty": change("baseline.penalty", float("inf")),
    "two million key frames": change("config.features.video.frames", 2_000_000),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_field_is_typed_and_bounded(saved: Path, name: str) -> None:
    content = fields(saved)
    FAULTS[name](content)
    put(saved, content)
    with pytest.raises(InvalidFileError) as told:
        load_checkpoint(saved)
    assert str(saved) in str(told.value) and len(str(told.value)) < 1_500


def test_sizes_are_compared_before_memory_is_asked_for(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = fields(saved)
    content["config"]["model"]["width"] = 32
    put(saved, content)
    real = Network.from_config
    devices = []

    def spied(*args: Any, **more: Any) -> Network:
        made = real(*args, **more)
        devices.append({tensor.device.type for tensor in made.state_dict().values()})
        return made

    monkeypatch.setattr(Network, "from_config", spied)
    with pytest.raises(InvalidFileError, match=r"do not belong together.*differ"):
        load_checkpoint(saved)
    assert devices == [{"meta"}]


@pytest.mark.parametrize("content", ["[" * 100_000, '{"format": 1, "format": 1}', '{"a": ' * 70 + "1" + "}" * 70,
                                     '{"format": NaN}', "9" * 5_000, "\ufeff{}"])  # fmt: skip
def test_json_that_is_deep_repeats_names_or_holds_no_numbers(saved: Path, content: str) -> None:
    (saved / "config.json").write_text(content)
    with pytest.raises(InvalidFileError, match=r"config\.json is damaged"):
        load_checkpoint(saved)


def test_a_card_of_many_megabytes_is_not_parsed(saved: Path) -> None:
    (saved / "config.json").write_text(json.dumps({"format": 1, "x": "y" * 2**24}))
    with pytest.raises(InvalidFileError, match="bytes"):
        load_checkpoint(saved)


@pytest.mark.parametrize("wrong", [float("nan"), float("-inf")])
def test_weights_that_are_no_numbers_are_named(saved: Path, wrong: float) -> None:
    weights = read_tensors(saved / "model.safetensors", None, "")
    weights["classifier.bias"][1] = wrong
    write_tensors(saved / "model.safetensors", weights)
    put(saved, fields(saved) | {"weights_sha256": file_digest(saved / "model.safetensors")})
    with pytest.raises(InvalidFileError, match=r"classifier\.bias holds NaN or infinity"):
        load_checkpoint(saved)


def test_features_scaled_by_zero_are_noticed(saved: Path) -> None:
    weights = read_tensors(saved / "model.safetensors", None, "")
    weights["scaling.text.std"].zero_()
    write_tensors(saved / "model.safetensors", weights)
    put(saved, fields(saved) | {"weights_sha256": file_digest(saved / "model.safetensors")})
    with pytest.raises(InvalidFileError, match="no finite numbers"):
        load_checkpoint(saved)


def test_rows_of_another_form_are_refused(saved: Path) -> None:
    for rows in ({"trained": torch.zeros(3)}, {"trained": torch.zeros(3), "chosen": torch.zeros(3)},
                 {name: torch.zeros(2, 2, dtype=torch.long) for name in ("trained", "chosen")}):  # fmt: skip
        write_tensors(saved / "rows.safetensors", rows)
        put(saved, fields(saved) | {"rows_sha256": file_digest(saved / "rows.safetensors")})
        with pytest.raises(InvalidFileError, match=r"rows\.safetensors holds no rows"):
            read_card(saved)
    (saved / "rows.safetensors").unlink()  # left out of what is handed on
    assert read_card(saved).seen is None


def test_rows_that_changed_are_noticed(saved: Path) -> None:
    write_tensors(saved / "rows.safetensors", {n: torch.arange(3) for n in ("trained", "chosen")})
    with pytest.raises(InvalidFileError, match=r"rows\.safetensors"):
        read_card(saved)


def test_baselines_that_changed_are_noticed(saved: Path) -> None:
    assert read_card(saved).baselines is not None
    write_tensors(saved / "baseline.safetensors", read_tensors(saved / "model.safetensors", None, ""))
    with pytest.raises(InvalidFileError, match=r"baseline\.safetensors"):
        read_card(saved)
    (saved / "baseline.safetensors").unlink()
    assert read_card(saved).baselines is None  # only evaluate reads it: a model without it still answers
    content = fields(saved)
    del content["baseline"]  # as an earlier version wrote it
    put(saved, content)
    assert read_card(saved).baselines is None


@pytest.mark.parametrize("files", COUNTS)
def test_fuzz(saved: Path, tmp_path: Path, files: int) -> None:
    """Damage is refused or changes no answer; what is made on purpose is refused or a network that can be run."""
    whole = {path.name: path.read_bytes() for path in saved.iterdir()}
    card = read_card(saved)
    plain = fields(saved)
    del plain["config_sha256"]

    @cache
    def expected() -> torch.Tensor:
        """Computed in the child: with as many threads as what is compared with it."""
        return logits(load_checkpoint(saved)[0])

    def damage(rng: np.random.Generator, folder: Path) -> None:
        name = sorted(["config.json", *whole])[int(rng.integers(1 + len(whole)))]
        (folder / name).write_bytes(damaged(rng, whole[name], [*DAMAGE, flip_bit, flip_bit], most=2))

    def refused(number: int) -> bool:
        rng = np.random.default_rng([16, number])
        folder = tmp_path / f"fuzz-{number}"
        shutil.copytree(saved, folder)
        on_purpose = number % 3 == 0
        if on_purpose:
            changed = changed_json(rng, plain)
            (folder / "config.json").write_bytes(written(sealed(changed) if rng.random() < 0.9 else changed))
        elif number % 3 == 1:
            (folder / "config.json").write_bytes(written(changed_json(rng, fields(saved))))
        else:
            damage(rng, folder)
        try:
            network, read = load_checkpoint(folder)
        except InvalidFileError:
            return True
        finally:
            shutil.rmtree(folder)
        assert logits(network).isfinite().all()
        if not on_purpose:
            assert torch.equal(logits(network), expected())
            assert replace(read, versions=None) == replace(card, versions=None)
        return False

    assert survived(files, refused) > files / 2


# a text encoder that was trained along lies beside the weights


@pytest.fixture
def finetuned(tiny_bert: Path, tmp_path: Path) -> Path:
    from transformers import AutoModel

    config = load_config(
        None,
        {"modalities": ["text"], "model.width": 16, "model.bilstm_layers": 1, "model.bilstm_heads": 2,
         "features.text.encoder": str(tiny_bert), "model.finetune": "all"},
    )  # fmt: skip
    network = Network.from_config(config, {"text": (16,)}, 3, {"text": AutoModel.from_pretrained(tiny_bert)})
    save_checkpoint(tmp_path / "finetuned", network, Card(config, EMOTIONS, {"text": (16,)}, [0.5, 0.3, 0.2]))
    return tmp_path / "finetuned"


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_changed_text_encoder_is_noticed(finetuned: Path, name: str) -> None:
    assert list(load_checkpoint(finetuned)[0].live) == ["text"]
    path = finetuned / "text_encoder" / name
    path.write_text(path.read_text().replace("gelu", "relu").replace("[UNK]", "[PAD]"))
    with pytest.raises(InvalidFileError, match="text_encoder has changed"):
        load_checkpoint(finetuned)


@pytest.mark.parametrize("change", [{"hidden_size": 10**9}, {"num_hidden_layers": 10**7}, {"vocab_size": 10**12},
                                    {"vocab_size": 3}, {"num_attention_heads": 0}, {"num_attention_heads": 7},
                                    {"model_type": "none"}, {"hidden_act": "none"}, {"hidden_size": "wide"},
                                    {"model_type": []}])  # fmt: skip
def test_a_text_encoder_that_its_weights_do_not_fit(finetuned: Path, change: dict[str, Any]) -> None:
    path = finetuned / "text_encoder" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    put(finetuned, fields(finetuned) | {"live_encoder_digests": {}})
    with pytest.raises(InvalidFileError, match=r"do not belong together|config\.json"):
        load_checkpoint(finetuned)


# of a speech encoder whose top is trained along, the settings alone


@pytest.fixture
def half_trained(tiny_whisper: Path, tmp_path: Path) -> Path:
    config = load_config(
        None,
        {"modalities": ["audio"], "model.width": 16, "model.bilstm_layers": 1, "model.bilstm_heads": 2,
         "features.audio.encoder": str(tiny_whisper), "model.finetune.audio": 1},
    )  # fmt: skip
    dims = {"audio": (16, 16, 16, 34)}
    network = Network.from_config(config, dims, 3, {"audio": copy.deepcopy(hub.load_model(tiny_whisper, "cpu"))})
    save_checkpoint(tmp_path / "half-trained", network, Card(config, EMOTIONS, dims, [0.5, 0.3, 0.2]))
    return tmp_path / "half-trained"


def test_the_trained_part_is_loaded_without_its_encoder(half_trained: Path, tiny_whisper: Path) -> None:
    live = load_checkpoint(half_trained)[0].live["audio"]
    whole = hub.load_model(tiny_whisper, "cpu").encoder.state_dict()
    assert torch.equal(live.state_dict()["layers.1.fc1.weight"], whole["layers.1.fc1.weight"])
    assert not any(parameter.is_meta for parameter in live.parameters())


@pytest.mark.parametrize("change", [{"d_model": 10**9}, {"encoder_layers": 10**7}, {"encoder_layers": 1},
                                    {"encoder_ffn_dim": 3}, {"encoder_attention_heads": 0}, {"model_type": "wav2vec2"},
                                    {"model_type": "bert"}, {"activation_function": "none"}, {"d_model": "wide"},
                                    {"num_mel_bins": 10**12}, {"vocab_size": 10**12}])  # fmt: skip
def test_a_speech_encoder_that_its_weights_do_not_fit(half_trained: Path, change: dict[str, Any]) -> None:
    """Of the part that is not here nothing bounds the sizes: no memory is taken for it."""
    path = half_trained / "audio_encoder" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    put(half_trained, fields(half_trained) | {"live_encoder_digests": {}})
    if change.keys() <= {"num_mel_bins", "vocab_size"}:
        assert logits_of_sound(load_checkpoint(half_trained)[0]).isfinite().all()
        return
    with pytest.raises(InvalidFileError, match=r"do not belong together|config\.json"):
        load_checkpoint(half_trained)


@pytest.mark.parametrize(("name", "value"), [("rate_hz", 1e-9), ("rate_hz", 50.0), ("layer", 0), ("layer", [7]),
                                             ("whisper_form", "30s"), ("mfcc", 64)])  # fmt: skip
def test_features_that_the_trained_part_does_not_fit(half_trained: Path, name: str, value: Any) -> None:
    content = fields(half_trained)
    content["config"]["features"]["audio"] |= {name: value, "max_seconds": 1e12}
    put(half_trained, content)
    with pytest.raises(InvalidFileError, match="do not belong together"):
        load_checkpoint(half_trained)


def logits_of_sound(network: Network) -> torch.Tensor:
    values = {"audio": network.live["audio"].example(3)}
    with torch.no_grad():
        return network(Batch(["a"], values, {"audio": torch.ones(1, 3, dtype=torch.bool)})).logits
