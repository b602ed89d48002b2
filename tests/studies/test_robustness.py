"""Missing and damaged modalities: every point is what `measure` gives on rows damaged by hand; what can't be done
is told.
"""

import json
import shutil
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tricue.config.load import load_config
from tricue.corpora.catalogue import read_corpus
from tricue.data.manifest import write_manifest
from tricue.evaluation import trial as trial_room
from tricue.evaluation.evaluate import Evaluation, measure, score_trial
from tricue.evaluation.metrics_table import as_text
from tricue.evaluation.trial import Trial
from tricue.extractors.corruption import Noise
from tricue.extractors.word_errors import vocabulary, with_word_errors
from tricue.features.extract import extract
from tricue.features.feature_set import FeatureSet
from tricue.media import decoding as media
from tricue.media.decoding import SAMPLE_RATE, decode
from tricue.modalities import reading
from tricue.registry import MODALITIES
from tricue.studies import robustness
from tricue.studies.robustness import KINDS, RESULT, choose_kinds, measure_robustness, robustness_table
from tricue.toy.toy_corpus import make_toy
from tricue.toy.toy_settings import ToyConfig
from tricue.training.train import train
from tricue.training.workspace import Workspace
from tricue.types import InputError, Utterance

EPOCHS = {f"training.phase{i}_epochs": 1 for i in (1, 2, 3)}
SMALL = {"model.width": 16, "model.bilstm_heads": 2, "training.tensorboard": False} | EPOCHS
TOY = ToyConfig.model_validate({
    "clips": {"train": 24, "val": 8, "test": 8}, "speakers": {"train": 2, "val": 2, "test": 2}, "turns": 4,
    "seconds": 0.5, "fps": 10, "size": 48,
})  # fmt: skip
MEDIA = {kind.name: kind for kind in KINDS if kind.damage is not None}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with corpus/, store/, phase1/ .. phase3/ and best_model/."""
    place = tmp_path_factory.mktemp("robustness")
    make_toy(place / "corpus", TOY, workers=1, progress=False)
    train(
        load_config("demo", SMALL),
        save_dir=place,
        workspace=Workspace(store=place / "store", data_dir=place / "corpus", device="cpu", quiet=True),
    )
    return place


@pytest.fixture(scope="module")
def result(run: Path) -> dict[str, Any]:
    return robust(run)


def robust(run: Path, **choices: Any) -> dict[str, Any]:
    """Without a corpus named: the run's own."""
    place, rest = workspace(run, **choices)
    return measure_robustness(run / "best_model", **{"out": run / "out", "workspace": place} | rest)


def number(run: Path, phase: int, **choices: Any) -> dict[str, float]:
    """The weighted F1 of a phase by `measure`."""
    place, rest = workspace(run, **choices)
    return measure(run / f"phase{phase}", workspace=place, **rest).metrics["weighted_f1"]


def workspace(
    run: Path, manifest: Path | None = None, store: Path | None = None, **rest: Any
) -> tuple[Workspace, dict[str, Any]]:
    corpus = run / "corpus" if manifest is None else None
    store = store or run / "store"
    return Workspace(store=store, data_dir=corpus, manifest=manifest, device="cpu", quiet=True), rest


def rows_of(run: Path) -> list[Utterance]:
    return [
        u
        for u in read_corpus(load_config("demo"), data_dir=run / "corpus", manifest=None).utterances
        if u.split == "test"
    ]


def count_decodes(monkeypatch: pytest.MonkeyPatch, most: int | None = None) -> list[Path]:
    """The files decoded from here on; after `most` of them the run is killed."""
    seen: list[Path] = []

    def counted(path: Path, **wanted: Any) -> media.Clip:
        if most is not None and len(seen) == most:
            raise KeyboardInterrupt
        seen.append(path)
        return decode(path, **wanted)

    monkeypatch.setattr(reading, "decode", counted)
    return seen


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[FeatureSet]:
    """What the models are given from here on."""
    seen: list[FeatureSet] = []

    def spy(trial: Trial, features: FeatureSet, device: str) -> Evaluation:
        seen.append(features)
        return score_trial(trial, features, device)

    monkeypatch.setattr(robustness, "score_trial", spy)
    return seen


# --- the numbers -------------------------------------------------------------------------------


def test_every_subset_is_what_measure_gives_for_those_modalities(run: Path, result: dict[str, Any]) -> None:
    assert list(result["models"]) == ["phase 1", "phase 2", "phase 3"]
    subsets = [list(s) for size in (1, 2, 3) for s in combinations(MODALITIES, size)]
    assert [point["modalities"] for point in result["subsets"]] == subsets
    for point in result["subsets"]:
        assert point["rows"] == result["n"] == 8
        assert point["weighted_f1"]["phase 3"] == number(run, 3, modalities=point["modalities"])
    assert result["subsets"][4]["weighted_f1"]["phase 1"] == number(run, 1, modalities=["text", "video"])


def test_curves_begin_undamaged(run: Path, result: dict[str, Any]) -> None:
    assert set(result["kinds"]) == {kind.name for kind in KINDS}
    assert result["undamaged"] == result["subsets"][-1]["weighted_f1"]
    assert result["undamaged"]["phase 2"] == number(run, 2)
    for kind in KINDS:
        found = result["kinds"][kind.name]
        assert found["levels"] == [None, *kind.levels] and found["rows"] == 8
        for model, curve in found["weighted_f1"].items():
            assert len(curve) == len(found["levels"]) and curve[0] == result["undamaged"][model]


def test_noise_is_what_measure_gives_for_noisy_files(run: Path, read: list[FeatureSet], tmp_path: Path) -> None:
    noisy = []
    for row in rows_of(run):
        heard = decode(row.audio, max_seconds=30.0).audio
        with av.open(str(tmp_path / f"{row.id}.wav"), "w") as container:
            stream = container.add_stream("pcm_f32le", rate=SAMPLE_RATE, layout="mono")
            frame = av.AudioFrame.from_ndarray(Noise(0.0, 0).damage(heard)[None], "flt", "mono")
            frame.sample_rate = SAMPLE_RATE
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        noisy.append(replace(row, audio=tmp_path / f"{row.id}.wav"))
    write_manifest(noisy, tmp_path / "noisy.csv")
    check_last_level(run, read, "noise", tmp_path / "noisy.csv", noisy)


def test_word_errors_are_what_measure_gives_for_such_texts(run: Path, read: list[FeatureSet], tmp_path: Path) -> None:
    rows = rows_of(run)
    wrong = with_word_errors(rows, 0.4, vocabulary(rows), seed=0)
    write_manifest(wrong, tmp_path / "wrong.csv")
    check_last_level(run, read, "word-errors", tmp_path / "wrong.csv", wrong)


def check_last_level(run: Path, read: list[FeatureSet], name: str, manifest: Path, damaged: list[Utterance]) -> None:
    """The model has read what `extract` gives for the damaged rows, and its number is theirs."""
    found = robust(run, names=[name])["kinds"][name]
    expected = extract(damaged, load_config("demo").features, MODALITIES, run / "store", progress=False).arrays
    for modality in MODALITIES:
        assert read[-1].arrays[modality].keys() == expected[modality].keys() == {row.id for row in damaged}
        for id_, array in expected[modality].items():
            np.testing.assert_array_equal(read[-1].arrays[modality][id_], array)
    for phase in (1, 2, 3):
        assert found["weighted_f1"][f"phase {phase}"][-1] == number(run, phase, manifest=manifest)


def test_turns_before_are_damaged_as_well(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[list[Utterance], list[Utterance]]] = []

    def spy(rows: list[Utterance], *settings: Any, among: list[Utterance], **more: Any) -> Any:
        asked.append((rows, among))
        return extract(rows, *settings, among=among, **more)

    monkeypatch.setattr(trial_room, "extract", spy)
    robust(run, names=["word-errors"])
    clean, *damaged = asked
    assert len(damaged) == 4
    for rate, (rows, among) in zip((0.05, 0.1, 0.2, 0.4), damaged, strict=True):
        assert among == with_word_errors(clean[1], rate, vocabulary(clean[0]), 0)
        assert rows == [turn for turn in among if turn.id in {row.id for row in clean[0]}]


def test_a_text_encoder_trained_along_reads_the_wrong_words(tiny_bert: Path, tmp_path: Path) -> None:
    texts = ("oh my god", "you are fine", "I am so happy", "he has lost it")
    rows = [
        Utterance(f"u{i}", text=f"{texts[i % 4]} {texts[i // 4 % 4]} {i}", label=("joy", "anger")[i % 2],
                  dialogue=f"d{i // 2}", turn=i % 2, split=("train", "train", "val", "test")[i // 8])
        for i in range(32)
    ]  # fmt: skip
    write_manifest(rows, tmp_path / "rows.csv")
    live = SMALL | {"modalities": ["text"], "features.text.encoder": str(tiny_bert), "model.finetune": "all"}
    train(
        load_config(None, live),
        save_dir=tmp_path,
        workspace=Workspace(store=tmp_path / "store", manifest=tmp_path / "rows.csv", device="cpu", quiet=True),
    )
    found = robust(tmp_path, manifest=tmp_path / "rows.csv", names=["word-errors"])
    tested = rows[24:]
    write_manifest(with_word_errors(tested, 0.4, vocabulary(tested), 0), tmp_path / "wrong.csv")
    curves = found["kinds"]["word-errors"]["weighted_f1"]
    for phase in (1, 2, 3):
        assert curves[f"phase {phase}"][-1] == number(tmp_path, phase, manifest=tmp_path / "wrong.csv")


# --- the file, and a second call ---------------------------------------------------------------


def test_the_file_holds_it_with_what_a_reader_must_know(run: Path, result: dict[str, Any]) -> None:
    robust(run)
    assert json.loads((run / "out" / RESULT).read_text()) == json.loads(json.dumps(result))
    assert result["mark"] == "toy: not for real use" and result["toy"] is True
    assert (result["corpus"], result["split"], result["protocol"], result["seed"]) == ("toy", "test", "official", 0)
    assert result["interval"]["unit"] == "dialogue" and result["models"]["phase 2"]["phase"] == 2


def test_a_killed_call_goes_on_and_a_second_one_extracts_nothing(
    run: Path, result: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    shutil.copytree(run / "store", store)
    for folder in store.glob("audio-light-noise-*"):
        shutil.rmtree(folder)
    again = {"names": ["noise"], "store": store, "out": tmp_path / "out"}
    with monkeypatch.context() as patch:
        count_decodes(patch, most=20)
        with pytest.raises(KeyboardInterrupt):
            robust(run, **again)
    assert not (tmp_path / "out" / RESULT).exists()
    with monkeypatch.context() as patch:
        seen = count_decodes(patch)
        found = robust(run, **again)
        assert len(seen) == 5 * 8 - 16  # of five levels two were done
        assert found["kinds"]["noise"] == result["kinds"]["noise"]
        assert robust(run, **again)["kinds"]["noise"] == found["kinds"]["noise"]
        assert len(seen) == 5 * 8 - 16


@pytest.mark.slow
def test_kinds_measured_in_two_processes_are_the_same(run: Path, result: dict[str, Any]) -> None:
    found = robust(run, names=["subsets", "frame-loss"], jobs=2)
    assert found["subsets"] == result["subsets"]
    assert found["kinds"] == {"frame-loss": result["kinds"]["frame-loss"]}


def test_damaged_features_are_read_once_for_all_phases(
    run: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copytree(run / "store", tmp_path / "store")
    for folder in (tmp_path / "store").glob("video-light-occlusion-*"):
        shutil.rmtree(folder)
    seen = count_decodes(monkeypatch)
    robust(run, names=["occlusion"], store=tmp_path / "store")
    assert len(seen) == len(MEDIA["occlusion"].levels) * 8


def test_a_model_alone_is_measured_alone(run: Path, result: dict[str, Any], tmp_path: Path) -> None:
    shutil.copytree(run / "phase2", tmp_path / "best_model")
    alone = measure_robustness(
        tmp_path / "best_model",
        out=tmp_path / "out",
        names=["frame-loss"],
        workspace=Workspace(store=run / "store", data_dir=run / "corpus", device="cpu", quiet=True),
    )
    assert list(alone["models"]) == ["phase 2"] and "subsets" not in alone
    expected = result["kinds"]["frame-loss"]["weighted_f1"]["phase 2"]
    assert alone["kinds"]["frame-loss"]["weighted_f1"] == {"phase 2": expected}


# --- what cannot be done -----------------------------------------------------------------------


def test_features_from_a_file_cannot_be_damaged(run: Path, result: dict[str, Any], tmp_path: Path) -> None:
    rows = rows_of(run)
    audio = extract(rows, load_config("demo").features, ["audio"], run / "store", progress=False).arrays["audio"]
    values = np.stack([audio[row.id] for row in rows]).astype(np.float32)
    np.savez(tmp_path / "sound.npz", id=np.array([row.id for row in rows]), values=values)
    given = {"features.audio.precomputed": str(tmp_path / "sound.npz")}
    found = robust(run, names=["noise", "frame-loss"], overrides=given, out=tmp_path)
    assert found["kinds"]["noise"]["left_out"] == (
        "its audio features come from a file (sound.npz): there is no signal to damage"
    )
    assert found["kinds"]["frame-loss"]["weighted_f1"] == result["kinds"]["frame-loss"]["weighted_f1"]


def test_a_modality_that_is_not_there_is_told(run: Path, tmp_path: Path) -> None:
    write_manifest([replace(row, video=None, text="yes") for row in rows_of(run)], tmp_path / "rows.csv")
    found = robust(run, manifest=tmp_path / "rows.csv", out=tmp_path)
    reasons = {name: kind.get("left_out") for name, kind in found["kinds"].items()}
    nobody = "no row of the test split has video"
    assert reasons == {
        "noise": None, "blur": nobody, "occlusion": nobody, "frame-loss": nobody,
        "word-errors": "the texts hold no two different words",
    }  # fmt: skip
    left_out = {"+".join(point["modalities"]) for point in found["subsets"] if "left_out" in point}
    assert left_out == {"video"}
    table = as_text(robustness_table(found), width=140)
    assert f"blur left out: {nobody}" in table and f"video left out: {nobody}" in table


def test_a_modality_that_the_model_does_not_read_is_told(run: Path, tmp_path: Path) -> None:
    config = load_config("demo", SMALL | {"modalities": ["text"]})
    train(
        config,
        save_dir=tmp_path,
        workspace=Workspace(store=run / "store", data_dir=run / "corpus", device="cpu", quiet=True),
    )
    found = measure_robustness(
        tmp_path / "best_model",
        out=tmp_path,
        workspace=Workspace(store=run / "store", data_dir=run / "corpus", device="cpu", quiet=True),
    )
    assert found["kinds"]["noise"]["left_out"] == "the model does not read audio"
    assert "weighted_f1" in found["kinds"]["word-errors"]
    assert [point["modalities"] for point in found["subsets"]] == [["text"]]


def test_unknown_kinds_are_refused() -> None:
    assert choose_kinds(None) == ["subsets", *(kind.name for kind in KINDS)]
    assert choose_kinds(["noise"]) == ["noise"]
    for names in (["nois"], []):
        with pytest.raises(InputError, match="there are subsets, noise, blur"):
            choose_kinds(names)


def test_the_table_has_every_point(result: dict[str, Any]) -> None:
    lines = as_text(robustness_table(result), width=80).splitlines()
    assert "toy: not for real use" in lines[0] and any(line.startswith("n = 8; 95%") for line in lines)
    numbers = {line.split()[0]: line for line in lines if "[" in line}
    assert set(numbers) >= {"+".join(point["modalities"]) for point in result["subsets"]}
    for kind in KINDS:
        place = lines.index(next(line for line in lines if line.strip() == kind.name))
        block = [line.split()[0] for line in lines[place + 1 : place + 2 + len(kind.levels)]]
        assert block == ["none", *(f"{level:g}" for level in kind.levels)]
        assert any(line.strip() == f"{kind.name}: {kind.unit}" for line in lines)
    last = result["kinds"]["word-errors"]["weighted_f1"]["phase 3"][-1]
    low, high = f"{100 * last['low']:.1f}", f"{100 * last['high']:.1f}"
    assert numbers["40"].endswith(f"{100 * last['value']:.1f} [{low}, {high}]")  # 40 is a rate of words alone


def test_numbers_that_are_no_shares_leave_room_for_the_subset() -> None:
    number = {"value": -0.122, "low": -0.218, "high": -0.031}
    models = ("phase 1", "phase 2", "phase 3")
    found = {
        "task": "dimensional", "title": "x", "n": 12, "interval": {"groups": 12, "unit": "row"}, "kinds": {},
        "models": {model: {} for model in models},
        "subsets": [{"modalities": ["text", "video"], "ccc": dict.fromkeys(models, number)}],
    }  # fmt: skip
    table = as_text(robustness_table(found), width=80)
    assert "text+video" in table and table.count("[-0.218,") == table.count("-0.031]") == 3
