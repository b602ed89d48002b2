"""Targets that do not fit the task: one error, status 2, that names row, column, value and remedy."""

from pathlib import Path

import pytest

from tricue.cli import main

DIMENSIONAL = ["--task", "dimensional", "--targets", "valence"]
SEVERAL = ["--task", "multilabel"]
VOTES = ["--set", "task.votes=[votes_joy, votes_anger]"]
KNOWN = ["--set", "data.emotions=[joy, anger]"]
RANGE = ["--set", "task.ranges.valence=[1, 5]"]

CASES = {  # name -> columns, cells of the first row, flags, parts of the message
    "text for a number": ("valence", "high", DIMENSIONAL, ["row 2, column valence, 'high': not a number", "give"]),
    "not a number": ("valence", "nan", DIMENSIONAL, ["row 2, column valence, 'nan': not a number"]),
    "infinite": ("valence", "1e999", DIMENSIONAL, ["row 2, column valence, '1e999': not a number"]),
    "out of range": ("valence", "7", DIMENSIONAL + RANGE, ["row 2, column valence, '7': outside", "1 to 5", "ranges"]),
    "empty": ("valence", "", DIMENSIONAL, ["row 2, column valence, ''", "label the row or leave it out"]),
    "one of two is empty": ("valence,arousal", "1,", ["--task", "dimensional", "--targets", "valence,arousal"],
                            ["row 2, column arousal, '': empty cell", "give a number"]),
    "a column that is missing": ("valens", "1", DIMENSIONAL, ["column valence, 'id, text, valens, split': missing"]),
    "a column twice": ("valence,valence", "1,2", DIMENSIONAL, ["column valence", "stands twice", "keep one"]),
    "a target twice": ("valence", "1", ["--task", "dimensional", "--targets", "valence,valence"],
                       ["--targets", "valence", "each once"]),
    "no target": ("valence", "1", ["--task", "dimensional"], ["--targets valence"]),
    "a range of no target": ("valence", "1", [*DIMENSIONAL, "--set", "task.ranges.arousal=[1, 5]"], ["arousal"]),
    "a range that falls": ("valence", "1", [*DIMENSIONAL, "--set", "task.ranges.valence=[5, 1]"], ["[5, 1]", "first"]),
    "an unknown loss": ("valence", "1", [*DIMENSIONAL, "--set", "task.loss=hinge"], ["'hinge'", "ccc, mse, huber"]),
    "an unknown label": ("emotion", "glee", KNOWN, ["row 2, column emotion, 'glee': unknown", "joy, anger", "mapping"]),
    "an unknown label of several": ("emotions", "joy;glee", SEVERAL + KNOWN, ["row 2, column emotions, 'joy;glee'"]),
    "a label twice": ("emotions", "joy;joy", SEVERAL, ["row 2, column emotions, 'joy;joy'", "twice", "name each once"]),
    "no name between": ("emotions", "joy;;anger", SEVERAL, ["row 2, column emotions, 'joy;;anger'", "none"]),
    "two tasks": ("emotion,valence", "joy,1", [], ["emotion and valence", "--task categorical", "--task dimensional"]),
    "two tasks of names": ("emotion,emotions", "joy,joy", [], ["emotion and emotions", "--task multilabel"]),
    "another task's column": ("valence", "1", [], ["missing emotion column", "or --task dimensional"]),
    "no task for a target": ("valence", "1", ["--targets", "valence"], ["column valence", "--task dimensional"]),
    "votes that are zero": ("votes_joy,votes_anger", "0,0", VOTES, ["row 2, column votes_joy, '0'", "all zero"]),
    "votes below zero": ("votes_joy,votes_anger", "-1,2", VOTES, ["row 2, column votes_joy, '-1'", "0 where nobody"]),
    "no votes": ("votes_joy,votes_anger", ",2", VOTES, ["row 2, column votes_joy, '': no votes"]),
    "one class of votes": ("votes_joy", "1", ["--set", "task.votes=[votes_joy]"], ["'joy'", "at least two"]),
    "a task that nobody has": ("emotion", "joy", ["--task", "ordinal"], ["'ordinal'", "categorical, multilabel"]),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_targets_that_do_not_fit(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    columns, cells, flags, parts = CASES[name]
    monkeypatch.chdir(tmp_path)
    Path("m.csv").write_text(f"id,text,{columns},split\na,so it is,{cells},train\n")
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--manifest", "m.csv", "--save_dir", "run", "--modalities", "text", "--quiet", *flags])
    said = " ".join(capsys.readouterr().err.split())
    assert stopped.value.code == 2 and said.count("error: ") == 1, said
    assert all(part in said for part in parts), said
    assert not Path("run/best_model").exists()


@pytest.mark.parametrize("task", [DIMENSIONAL, SEVERAL])
def test_a_corpus_with_labels_of_another_task(
    task: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    header = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID"
    Path("meld").mkdir()
    Path("meld/train_sent_emo.csv").write_text(f"{header}\n1,Hey!,Joey,joy,positive,0,0\n")
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--dataset", "MELD", "--data_dir", "meld", "--save_dir", "run", "--quiet", *task])
    said = " ".join(capsys.readouterr().err.split())
    assert stopped.value.code == 2 and "train_dia0_utt0 has the label 'joy'" in said and "task.targets_file" in said
