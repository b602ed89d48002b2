"""The demo on a smaller corpus, through the command line; and what a user may do wrong."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests import commands

from tricue.registry import MODALITIES
from tricue.types import Utterance

ROOT = Path(__file__).resolve().parents[2]
TOY = ["--set", "toy.clips={train: 168, val: 56, test: 56}", "--set", "toy.speakers={train: 6, val: 2, test: 2}"]
SMALL = [
    "--set", "training.phase1_epochs=4",
    "--set", "training.phase2_epochs=1",
    "--set", "training.phase3_epochs=1",
    "--set", "model.width=32",
]  # fmt: skip
HEADLINE = ("weighted_f1", "accuracy", "macro_f1", "uar")


def tricue(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tricue.cli", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=900, check=False)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("demo") / "runs" / "demo"
    done = tricue("demo", "--out", out, *TOY, *SMALL)
    assert done.returncode == 0, done.stderr
    assert "best possible rule" in done.stdout and str(out) in done.stdout
    return out


@pytest.mark.slow
def test_the_demo_leaves_what_it_promises(demo: Path) -> None:
    subsets = {"text", "audio", "video", "text+audio", "text+video", "audio+video", "text+audio+video"}
    assert {path.stem for path in (demo / "subsets").glob("*.json")} == subsets
    measured = [demo / "metrics.json", demo / "ceiling.json", *(demo / "subsets").glob("*.json")]
    measured += [demo / "alone" / modality / "metrics.json" for modality in ("text", "audio", "video")]
    for path in measured:
        metrics = json.loads(path.read_text())
        for name in HEADLINE:
            number = metrics[name]
            assert 0 <= number["low"] <= number["value"] <= number["high"] <= 1, (path, name)
        assert metrics["n"] == 56 and sum(map(sum, metrics["confusion"])) == 56
    metrics = json.loads((demo / "metrics.json").read_text())
    assert metrics["toy"] is True and metrics["split"] == "test"
    assert metrics["weighted_f1"] == json.loads((demo / "subsets/text+audio+video.json").read_text())["weighted_f1"]
    assert (demo / "best_model" / "model.safetensors").is_file()
    page = (demo / "report.html").read_text(encoding="utf-8")
    for heading in ("Learning curves", "ROC", "Confusion matrix", "t-SNE", "Calibration"):
        assert f"<h2>{heading}</h2>" in page
    assert "toy: not for real use" in page and len(page) < 8_000_000


@pytest.mark.slow
def test_predictions_are_rows_in_rows_out_and_marked(demo: Path) -> None:
    with (demo / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (demo / "corpus" / "unlabelled.csv").open(newline="", encoding="utf-8") as file:
        asked = [row["id"] for row in csv.DictReader(file)]
    assert [row["id"] for row in rows] == asked
    for row in rows:
        chances = {name[2:]: float(p) for name, p in row.items() if name.startswith("p_")}
        assert sum(chances.values()) == pytest.approx(1, abs=1e-4)
        assert row["emotion"] == max(chances, key=chances.__getitem__)
        assert row["modalities"] == "text+audio+video" and row["error"] == ""
        assert row["note"] == "toy: not for real use"


@pytest.mark.slow
def test_a_folder_of_good_and_bad_clips(demo: Path, tmp_path: Path) -> None:
    clips = sorted((demo / "corpus" / "clips").glob("*.mp4"))
    shutil.copyfile(clips[0], tmp_path / "good.mp4")
    (tmp_path / "cut.mp4").write_bytes(clips[1].read_bytes()[:1000])
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "text.mp4").write_text("not a clip")
    (tmp_path / "in.csv").write_text(
        "id,text,audio,video\n"
        "all,I have it here,good.mp4,good.mp4\n"
        "words,Some words alone,,\n"
        "cut,Some words,cut.mp4,cut.mp4\n"
        "empty,,empty.mp4,empty.mp4\n"
        "text,,text.mp4,\n"
        "gone,,gone.mp4,\n"
        "nothing,,,\n"
    )
    model = demo / "best_model"
    done = tricue("predict", "--model_path", model, "--input_file", tmp_path / "in.csv",
                  "--output_file", tmp_path / "out.csv", "--store", tmp_path / "store")  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "4 rows failed" in done.stdout and "toy: not for real use" in done.stdout
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    assert list(rows) == ["all", "words", "cut", "empty", "text", "gone", "nothing"]
    assert {name: row["modalities"] for name, row in rows.items()} == {
        "all": "text+audio+video", "words": "text", "cut": "text", "empty": "", "text": "", "gone": "", "nothing": "",
    }  # fmt: skip
    assert [name for name, row in rows.items() if row["error"]] == ["cut", "empty", "text", "gone", "nothing"]
    assert [name for name, row in rows.items() if not row["emotion"]] == ["empty", "text", "gone", "nothing"]


@pytest.mark.slow
def test_python_front_door(demo: Path) -> None:
    from tricue import MultimodalEmotionRecognizer, load_data, preprocess

    clip = next((demo / "corpus" / "clips").glob("test_*.mp4"))
    model = MultimodalEmotionRecognizer.from_pretrained(f"{demo}/best_model.pth")
    text, audio, video = preprocess({"text": "What a day", "video": str(clip)})
    assert (text, audio, video) == ("What a day", None, clip)
    one = model.predict(text, audio, video)
    assert str(one) == one.label and one.modalities == ("text", "video") and one.note == "toy: not for real use"
    many = model.predict_batch([(text, audio, video), "Only words", clip])
    assert [p.modalities for p in many] == [("text", "video"), ("text",), ("audio", "video")]
    assert many[0].probabilities == pytest.approx(one.probabilities, abs=1e-5)
    apart = model.predict_batch([Utterance("2", "What a day"), "I hate it"])  # the second has the number 2
    assert [p.id for p in apart] == ["2", "2"] and apart[0].probabilities != apart[1].probabilities
    splits = load_data(demo / "corpus" / "manifest.csv")
    assert {name: len(rows) for name, rows in splits.items()} == {"train": 168, "val": 56, "test": 56}


def _standing(run: Path) -> tuple[int, int]:
    """Phase and epoch of the last state that a run saved."""
    try:
        progress = json.loads((run / "state" / "progress.json").read_text())
    except FileNotFoundError:  # before the first, or between two renames
        return 0, 0
    return progress["phase"], progress["epoch"]


@pytest.mark.slow
def test_a_killed_training_goes_on_to_the_same_weights(demo: Path, tmp_path: Path) -> None:
    more = ("training.save_minutes=0", "modalities=[text]", "training.phase2_epochs=4")
    settings = [*SMALL, *(word for setting in more for word in ("--set", setting))]
    flags = ["--dataset", "demo", "--data_dir", demo / "corpus", "--store", demo / "features", *settings]
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert tricue("train", *flags, "--save_dir", whole).returncode == 0
    command = [sys.executable, "-m", "tricue.cli", "train", *map(str, flags), "--save_dir", str(broken)]
    for epoch in (1, 2):  # twice in the middle of phase 2, each time further on
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while process.poll() is None and _standing(broken) < (2, epoch):
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (2, epoch) <= _standing(broken) < (3, 0)
    assert not (broken / "best_model").exists()
    assert tricue("train", *flags, "--save_dir", broken).returncode == 0
    name = Path("best_model") / "model.safetensors"
    assert (whole / name).read_bytes() == (broken / name).read_bytes()
    again = tricue("train", *flags, "--save_dir", broken)
    assert again.returncode == 0 and "already holds this run" in again.stdout
    other = tricue("train", *flags, "--save_dir", broken, "--seed", 5)
    assert other.returncode == 2 and "seed was 0, now 5" in other.stderr and "--restart" in other.stderr


@pytest.mark.slow
def test_the_whole_demo_shows_what_three_modalities_are_for(tmp_path: Path) -> None:
    """Synthetic clips at the shipped settings: what the table is to show."""
    done = tricue("demo", "--out", tmp_path)
    assert done.returncode == 0, done.stderr

    def weighted_f1(name: str) -> float:
        return json.loads((tmp_path / name).read_text())["weighted_f1"]["value"]

    one, alone = weighted_f1("metrics.json"), {c: weighted_f1(f"alone/{c}/metrics.json") for c in MODALITIES}
    assert one >= max(alone.values()) + 0.10
    assert one >= 0.9 * weighted_f1("ceiling.json")
    for modality in MODALITIES:
        assert weighted_f1(f"subsets/{modality}.json") >= alone[modality] - 0.05
    sarcastic = json.loads((tmp_path / "demo.json").read_text())["sarcastic"]
    assert sarcastic["one model"]["value"] > sarcastic["average of the three alone"]["value"]


@pytest.mark.slow
def test_info_of_a_checkpoint_and_of_a_config(demo: Path) -> None:
    done = tricue("info", "--model_path", demo / "best_model")
    assert done.returncode == 0 and "GFLOPs" in done.stdout and "23.31" in done.stdout, done.stderr
    done = tricue("info", "--dataset", "demo")
    assert done.returncode == 0 and "total" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("script", "words"),
    [("train", "train_sent_emo.csv"), ("evaluate", "No checkpoint"), ("predict", "a.csv: file not found")],
)
def test_the_scripts_of_the_seed_run_from_any_folder(tmp_path: Path, script: str, words: str) -> None:
    wanted = {"train": ["--dataset", "MELD"], "evaluate": [], "predict": ["--input_file", "a.csv"]}[script]
    command = [sys.executable, str(ROOT / f"{script}.py"), *wanted]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["predict", "--input_file", "none.csv"], "none.csv: file not found"),
        (["train", "--dataset", "nope"], "Shipped"),
        (["train", "--dataset", "MELD", "--epochs", "2"], "at least 3"),
        (["train", "--dataset", "MELD", "--data_dir", "empty"], "train_sent_emo.csv"),
        (["train", "--manifest", "faulty.csv"], "duplicate"),
        (["train", "--dataset", "MELD", "--set", "training.rat=1"], "training.rat"),
        (["evaluate", "--model_path", "nowhere"], "No checkpoint"),
        (["train", "--nonsense"], "nonsense"),
        (["train", "--dataset", "MELD", "--set", "training.rate=[1"], "not valid YAML"),
        (["train", "--dataset", "MELD", "--set", "model.bilstm_heads=3"], "does not divide"),
        (["predict", "--input_file", "faulty.csv", "--output_file", "faulty.csv/out.csv"], "faulty.csv is a file"),
    ],
)
def test_wrong_calls_exit_with_2_and_one_clear_message(
    working_folder: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("empty").mkdir()
    Path("faulty.csv").write_text("id,text,emotion,split\na,x,joy,train\na,y,joy,train\nb,,joy,train\n")
    assert commands.tricue(*arguments) == 2
    said = capsys.readouterr().err
    assert words in said and "Traceback" not in said
    assert {path.name for path in working_folder.iterdir()} == {"empty", "faulty.csv"}  # nothing was written
