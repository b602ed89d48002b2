"""The method without each of its parts: which variants there are, how long they train, what is written of them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from tricue.config.load import change_config, load_config
from tricue.config.settings import Config
from tricue.data.manifest import write_manifest
from tricue.studies import ablation
from tricue.studies.ablation import FULL, Variant, ablate, choose_variants, variants
from tricue.training.trainer import Trainer
from tricue.training.workspace import Workspace
from tricue.types import InputError, Utterance

EPOCHS = [f"training.phase{i}_epochs" for i in (1, 2, 3)]
PARTS = [
    "phases-1+2", "phase-1", "no-counterfactual", "no-intention", "no-statistics", "no-bilstm", "no-gating",
    "no-auxiliary",
]  # fmt: skip
LESS = "no-counterfactual"


def settings(modalities: Sequence[str] = ("text",), epochs: Sequence[int] = (1, 1, 1)) -> Config:
    small = {
        "modalities": list(modalities), "features.text.encoder": "light", "model.width": 16,
        "model.bilstm_heads": 2, "training.tensorboard": False, **dict(zip(EPOCHS, epochs, strict=True)),
    }  # fmt: skip
    return load_config(None, small)


def run(place: Path, names: list[str] | None, **more: Any) -> dict[str, Any]:
    """A tiny corpus of sentences, two seeds of each variant."""
    rows = [
        Utterance(f"u{i}", f"{('you fool', 'how nice', 'oh')[i % 3]} {i}", label=("anger", "joy")[i % 3 % 2],
                  dialogue=f"d{i // 2}", turn=i % 2, split=("train", "train", "val", "test")[i // 12])
        for i in range(48)
    ]  # fmt: skip
    place.mkdir(exist_ok=True)
    write_manifest(rows, place / "rows.csv")
    manifest = more.pop("manifest", place / "rows.csv")
    given = {"config": settings(), "seeds": 2, "save_dir": place / "runs", "out": place / "out", "names": names}
    given["workspace"] = Workspace(store=place / "store", manifest=manifest, device="cpu", quiet=True)
    result, comparison = ablate(**given | more)
    assert comparison == json.loads((place / "out" / "compare.json").read_text())
    return result


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The whole method and the one without the counterfactual losses, trained, scored and compared."""
    place = tmp_path_factory.mktemp("ablation")
    run(place, [LESS])
    return place


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders of the runs that are trained from here on."""
    folders: list[Path] = []
    fit = Trainer.fit

    def spy(self: Trainer) -> Any:
        folders.append(self.save_dir)
        return fit(self)

    monkeypatch.setattr(Trainer, "fit", spy)
    return folders


# --- which there are ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("modalities", "more"),
    [
        (["video"], []),
        (["text", "video"], ["no-cross-attention", "no-text", "no-video"]),
        (["text", "audio", "video"], ["no-cross-attention", "no-text", "no-audio", "no-video"]),
    ],
)
def test_the_variants_of_one_two_and_three_modalities(modalities: list[str], more: list[str]) -> None:
    found = variants(settings(modalities))
    assert [variant.name for variant in found] == [FULL, *PARTS, *more]
    assert len({variant.told for variant in found}) == len(found)


def changed(variant: Variant, config: Config) -> dict[str, Any]:
    """What differs from the whole method, and to what."""
    own = change_config(config, dict(variant.settings), "a variant")
    dumps = [{"modalities": c.modalities, **c.model.model_dump(), **c.training.model_dump()} for c in (config, own)]
    return {name: value for name, value in dumps[1].items() if value != dumps[0][name]}


def test_each_variant_lacks_what_its_name_says_and_nothing_else() -> None:
    config = change_config(settings(["text", "audio"], (15, 15, 10)), {"training.minimal_change": 0.1}, "a test")
    assert {variant.name: changed(variant, config) for variant in variants(config)} == {
        FULL: {},
        "phases-1+2": {"phase1_epochs": 20, "phase2_epochs": 20, "phase3_epochs": 0},
        "phase-1": {"phase1_epochs": 40, "phase2_epochs": 0, "phase3_epochs": 0},
        "no-counterfactual": {"alignment_weight": 0.0, "intention_weight": 0.0, "minimal_change": 0.0},
        "no-intention": {"intention_weight": 0.0},
        "no-statistics": {"statistics": False},
        "no-bilstm": {"bilstm_layers": 0},
        "no-gating": {"gating": False},
        "no-auxiliary": {"auxiliary_weight": 0.0},
        "no-cross-attention": {"cross_attention": False},
        "no-text": {"modalities": ["audio"]},
        "no-audio": {"modalities": ["text"]},
    }


@given(epochs=st.tuples(*[st.integers(1, 100)] * 3))
def test_every_variant_trains_as_many_epochs_as_the_whole_method(epochs: tuple[int, int, int]) -> None:
    config = settings(["text", "audio"], epochs)
    for variant in variants(config):
        own = change_config(config, dict(variant.settings), "a variant").training.epochs
        assert sum(own) == sum(epochs) and own[0] > 0, variant.name
        left_out = {"phase-1": (2, 3), "phases-1+2": (3,)}.get(variant.name, ())
        assert [i for i, count in enumerate(own, start=1) if count == 0] == list(left_out), variant.name


def test_the_whole_method_is_always_first() -> None:
    config = settings(["text", "audio"])
    assert choose_variants(config, None) == variants(config)
    for names in (["no-text", "phase-1"], ["phase-1", FULL, "no-text"]):
        assert [variant.name for variant in choose_variants(config, names)] == [FULL, "phase-1", "no-text"]


def test_unknown_variants_are_one_error_that_names_those_there_are() -> None:
    with pytest.raises(InputError) as stop:
        choose_variants(settings(), ["no-gates", "phase-1", "no-text"])
    assert str(stop.value) == f"--variants no-gates,no-text: there are {', '.join([FULL, *PARTS])}."


@pytest.mark.parametrize("epochs", [(2, 0, 2), (2, 2, 0)])
def test_settings_without_a_phase_are_refused(epochs: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match="an epoch in each of the three"):
        choose_variants(settings(epochs=epochs), None)


# --- trained, scored, compared -----------------------------------------------------------------


@pytest.mark.parametrize(("names", "words"), [(["no-tone"], "--variants no-tone"), ([FULL], "a variant beside")])
def test_what_is_refused_is_refused_before_anything_is_trained(
    names: list[str], words: str, trained: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=words):
        run(tmp_path, names)
    assert not trained and not (tmp_path / "runs").exists()


def without_val(place: Path) -> Path:
    rows = [
        Utterance(f"u{i}", f"say {i}", label=("anger", "joy")[i % 2], speaker=f"s{i // 4}",
                  split=("train", "test")[i // 24])
        for i in range(48)
    ]  # fmt: skip
    write_manifest(rows, place / "without_val.csv")
    return place / "without_val.csv"


@pytest.mark.parametrize(
    ("split", "protocol", "words"),
    [
        ("tset", "official", "--split tset: use one of"),
        ("val", "official", r"has no labelled val rows \(it has: train 24, test 24\)"),
        ("val", "kfold-speaker", "the val rows of one fold are test rows of another"),
        ("train", "leaky", None),
    ],
)
def test_a_split_that_could_not_be_scored_is_refused_before_anything_is_trained(
    split: str, protocol: str, words: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Begun(Exception):
        pass

    def begins(*_: Any, **__: Any) -> None:
        raise Begun

    monkeypatch.setattr(ablation, "train_groups", begins)
    config = change_config(settings(), {"data.protocol": protocol}, "a test")
    with pytest.raises(Begun if words is None else InputError, match=words):
        run(tmp_path, [LESS], config=config, split=split, manifest=without_val(tmp_path))


def test_a_modality_that_the_corpus_lacks_is_no_part_to_take_away(tmp_path: Path) -> None:
    """Else full would be trained again under another name, and without text nothing could be, hours later."""
    with pytest.raises(InputError, match=f"no-video: there are {', '.join([FULL, *PARTS])}".replace("+", r"\+")):
        run(tmp_path, ["no-video"], config=settings(["text", "audio", "video"]))


def test_the_numbers_are_those_of_metrics_and_compare(done: Path) -> None:
    found = json.loads((done / "out" / "ablation.json").read_text())
    compared = json.loads((done / "out" / "compare.json").read_text())
    assert (found["seeds"], found["epochs"], found["reference"]) == (2, 3, FULL)
    shared = ("mark", "notes", "protocol", "corpus", "split", "n", "interval", "rule", "correction")
    assert {key: found[key] for key in shared} == {key: compared[key] for key in shared}
    assert found["n"] == 12 and found["split"] == "test" and found["correction"]["comparisons"] == 1
    names = [row["name"] for row in found["variants"]]
    assert names == [FULL, LESS] == [Path(model["folder"]).name for model in compared["models"]]
    assert [row["difference"] for row in found["variants"]] == [None, *compared["comparisons"]]
    for row, model in zip(found["variants"], compared["models"], strict=True):
        metrics = json.loads((done / "out" / row["name"] / "metrics.json").read_text())
        for name in ("weighted_f1", "accuracy", "macro_f1", "uar"):
            assert row[name] == metrics[name] and set(row[name]) >= {"value", "low", "high"}
        assert row["weighted_f1"]["value"] == pytest.approx(model["weighted_f1"])
        assert row["std_over_seeds"] == model["seeds"]["std"]["weighted_f1"] is not None
        histories = [json.loads((done / "runs" / row["name"] / f"seed-{s}/history.json").read_text()) for s in (0, 1)]
        seconds = [epoch["seconds"] for history in histories for epoch in history]
        assert row["minutes_per_run"] == pytest.approx(sum(seconds) / 2 / 60, abs=0.006)
    assert found["variants"][1]["settings"] == dict(variants(settings())[3].settings)


def counterfactual(model: Path) -> dict[str, torch.Tensor]:
    weights = load_file(model / "model.safetensors")
    return {name: value for name, value in weights.items() if name.startswith(("counterfactual.", "intention."))}


@pytest.mark.parametrize(("name", "stays"), [(FULL, False), (LESS, True)])
def test_without_its_losses_the_counterfactual_stays_at_its_start(name: str, stays: bool, done: Path) -> None:
    """Phase 1 trains no part of it, so what phase 1 keeps is the start."""
    runs = done / "runs" / name / "seed-0"
    start, end = counterfactual(runs / "phase1"), counterfactual(runs / "phase3")
    assert any(name.startswith("intention.") for name in start)
    assert [torch.equal(start[name], end[name]) for name in start] == [stays] * len(start)


def test_called_again_nothing_is_trained_again(done: Path, trained: list[Path]) -> None:
    before = json.loads((done / "out" / "ablation.json").read_text())
    assert run(done, [LESS]) == before
    assert not trained


def test_killed_between_variants_it_goes_on(
    done: Path, trained: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    fit = Trainer.fit

    def dies(self: Trainer) -> Any:
        if self.save_dir.parent.name != FULL:
            raise Killed
        return fit(self)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "fit", dies)
        with pytest.raises(Killed):
            run(tmp_path, [LESS])
    assert not (tmp_path / "out" / "ablation.json").exists()
    killed = len(trained)
    found = run(tmp_path, [LESS])
    assert {folder.parent.name for folder in trained[:killed]} == {FULL} and killed == 2
    assert [folder.parent.name for folder in trained[killed:]] == [LESS, LESS]
    unbroken = json.loads((done / "out" / "ablation.json").read_text())
    for row in (*found["variants"], *unbroken["variants"]):
        del row["minutes_per_run"]
    assert found == unbroken


def test_a_single_run_of_each_variant(tmp_path: Path) -> None:
    found = run(tmp_path, ["phase-1"], seeds=1, split="val")
    assert found["split"] == "val" and found["seeds"] == 1
    assert [row["std_over_seeds"] for row in found["variants"]] == [None, None]
    assert sorted(path.name for path in (tmp_path / "runs" / "phase-1").glob("phase*")) == ["phase1"]
    assert len(json.loads((tmp_path / "runs" / "phase-1" / "history.json").read_text())) == 3
