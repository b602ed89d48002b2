"""The commands as a user types them: what they say, what they leave, their exit status."""

import csv
import json
import shlex
from pathlib import Path

import pytest
from tests.commands import tricue

from tricue.cli.app import ORDER

SOURCE = """Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime
1,Hi there you two fools.,Joey,joy,positive,0,0,1,1,"00:00:01,0","00:00:02,0"
2,No!,Ross,anger,negative,0,1,1,1,"00:00:03,0","00:00:04,0"
3,This is what I said all along.,Ross,joy,positive,1,0,1,1,"00:00:03,0","00:00:04,0"
4,And nobody ever wants to listen.,Joey,anger,negative,1,1,1,1,"00:00:03,0","00:00:04,0"
"""
SMALL = [
    "--set", "features.text.encoder=light", "--set", "model.width=16", "--epochs", "3", "--modalities", "text",
    "--set", "training.tensorboard=false", "--set", "model.finetune=none", "--set", "features.text.layer=null",
    "--quiet",
]  # fmt: skip


@pytest.fixture
def meld(working_folder: Path) -> Path:
    """dev says other sentences than train."""
    source = working_folder / "published"
    source.mkdir()
    (source / "train_sent_emo.csv").write_text(SOURCE)
    (source / "dev_sent_emo.csv").write_text(SOURCE.replace("all along", "to you").replace("ever wants", "likes"))
    return source


def test_prepare_audit_train_evaluate(meld: Path, working_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tricue("prepare", "MELD", meld) == 0
    said = capsys.readouterr()
    assert "MELD: train 4, val 4 rows. Manifest: data/MELD/manifest.csv" in said.out
    assert (working_folder / "data/MELD/corpus.json").is_file()
    assert tricue("audit", "data/MELD/manifest.csv", "--fast") == 1  # "Hi there you two fools." is a quarter of dev
    assert "fail" in capsys.readouterr().out
    found = json.loads((working_folder / "results/audit/audit.json").read_text())
    assert found["verdict"] == "fail" and found["corpus"] == "MELD" and found["protocol"] == "official"
    assert {check["name"]: check["verdict"] for check in found["checks"]}["texts"] == "fail"
    assert tricue("train", "--dataset", "MELD", *SMALL) == 0  # it finds data/MELD, and never stops for a verdict
    assert tricue("evaluate", "--split", "dev", "--out", "out", "--no_report") == 0
    said = capsys.readouterr().out
    assert "fail: texts" in said  # beside the score
    assert json.loads((working_folder / "out/metrics.json").read_text())["audit"]["verdict"] == "fail"


def test_prepare_names_the_task_again(working_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its manifest keeps the columns, not which of them is to be learnt."""
    (working_folder / "mine").mkdir()
    (working_folder / "mine/table.csv").write_text(
        "id,text,split,votes_joy,votes_anger\na,Hi.,train,3,1\nb,No.,val,0,2\n"
    )
    assert tricue("prepare", "folder", "mine", "--set", "task.votes=[votes_joy, votes_anger]", "--out", "made") == 0
    flags = "--set 'task.votes=[votes_joy, votes_anger]'"
    assert f"Next: tricue audit made/manifest.csv {flags}\n" in capsys.readouterr().out
    assert tricue("audit", "made/manifest.csv", *shlex.split(flags), "--fast") in (0, 1)
    checks = json.loads((working_folder / "results/audit/audit.json").read_text())["checks"]
    assert "classes" in [check["name"] for check in checks]


def test_an_audit_without_failure_is_zero(meld: Path, working_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = meld / "dev_sent_emo.csv"
    path.write_text(path.read_text().replace("Hi there you two fools", "Good morning to all of you"))
    assert tricue("audit", "--dataset", "MELD", "--data_dir", meld, "--fast", "--out", "audited") == 0
    assert json.loads((working_folder / "audited/audit.json").read_text())["verdict"] == "warn"


def test_leaky_from_the_command_line(meld: Path, working_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tricue("train", "--dataset", "MELD", "--data_dir", meld, "--protocol", "leaky", *SMALL) == 0
    said = capsys.readouterr().out
    assert "Leaky model: checkpoints/leaky_model" in said and "LEAKY" in said and "checkpoints/leaky.json" in said
    assert json.loads((working_folder / "checkpoints/leaky.json").read_text())["comparable"] is False
    assert not list(working_folder.rglob("metrics.json")) and not list(working_folder.rglob("best_model"))


def test_seeds_folds_and_compare(meld: Path, working_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for width in (16, 32):
        more = ["--protocol", "kfold-dialogue", "--set", "data.folds=2", "--seeds", 2, "--jobs", 1,
                "--set", f"model.width={width}"]  # fmt: skip
        assert tricue("train", "--dataset", "MELD", "--data_dir", meld, *SMALL, *more, "--save_dir", f"w{width}") == 0
    said = capsys.readouterr().out
    assert "4 models trained" in said and "Per fold" in said and "± " in said
    assert tricue("compare", "w16", "w32", "--out", "compared") == 0
    said = capsys.readouterr().out
    assert "few groups" in said and "compared/compare.json" in said
    content = json.loads((working_folder / "compared/compare.json").read_text())
    assert content["protocol"] == "kfold-dialogue" and len(content["comparisons"]) == 1
    path = working_folder / "w32/seed-0/predictions.csv"
    lines = list(csv.reader(path.open(newline="")))
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(lines[:-1])
    assert tricue("compare", "w16", "w32") == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize("name", ["meld", "IEMOCAP", "crema-d", "folder"])
def test_a_folder_that_is_not_the_corpus(name: str, working_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (working_folder / "empty").mkdir()
    assert tricue("prepare", name, "empty") == 2
    assert "found an empty folder" in capsys.readouterr().err
    assert not (working_folder / "data").exists()


def test_help_lists_all_commands_in_the_order_of_the_work(capsys: pytest.CaptureFixture[str]) -> None:
    assert tricue("-h") == 0
    shown = capsys.readouterr().out.split("Commands:\n")[1]
    lines = [line for line in shown.splitlines() if line.strip()]
    assert [line.split()[0] for line in lines] == list(ORDER) and "..." not in shown


@pytest.mark.parametrize(
    ("speakers", "settings", "told"),
    [
        (["a", "b", "c", "d"], [], ["data.folds=4"]),
        (["a"], [], ["`speaker`", "data.val_from_train=0.1"]),
        (["a", "b"], ["data.folds=2"], ["joy, sadness", "one speaker only"]),
        (["a", "b", "c", "d"], ["data.folds=2", "data.mapping={sadness: joy}"], ["'joy'", "data.mapping"]),
    ],
)
def test_folds_that_cannot_be_are_refused_before_anything_is_read(
    speakers: list[str], settings: list[str], told: list[str],
    working_folder: Path, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Row i is of speaker i, and joy where i is even."""
    rows = [f"u{i},hm {i},{('joy', 'sadness')[i % 2]},{speakers[i % len(speakers)]}" for i in range(12)]
    (working_folder / "m.csv").write_text("\n".join(["id,text,emotion,speaker", *rows]) + "\n")
    more = [part for setting in settings for part in ("--set", setting)]
    assert tricue("train", "--manifest", "m.csv", "--protocol", "kfold-speaker", "--save_dir", "run", *more) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert all(part in said for part in told) and "Traceback" not in said, said


def test_info_of_an_automatic_width_says_which(capsys: pytest.CaptureFixture[str]) -> None:
    assert tricue("info", "--modalities", "text", "--set", "features.text.encoder=light") == 0
    assert "width 64, as for up to 8,000 training rows" in " ".join(capsys.readouterr().out.split())
