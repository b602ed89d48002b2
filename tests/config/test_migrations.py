"""Settings of earlier formats are read under today's names; the networks of earlier versions and what a later version
wrote are one clear error each."""

import json
import logging
import shlex
import shutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.commands import tricue
from tests.small_runs import workspace

from tricue.checkpoint.checkpoint import read_card
from tricue.config.load import build_config, load_config, load_settings, parse_overrides, shipped_configs
from tricue.config.migrations import FORMAT, STEPS, RenameAndFix, migrate
from tricue.config.setting_faults import setting_names
from tricue.config.settings import Config
from tricue.toy.toy_settings import DemoConfig
from tricue.training.run_directory import OtherRun
from tricue.training.train import TrainResult, train
from tricue.types import InputError, InvalidFileError

# Made by tricue 0.1.0 (commit 94ed28e): `train` of own.yaml on rows.csv, killed after the first epoch of phase 1
# (run/, without its weights).
MADE_BY_0_1_0 = Path(__file__).parents[1] / "fixtures/format1"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    shutil.copytree(MADE_BY_0_1_0, tmp_path / "old")
    return tmp_path / "old"


def go_on(folder: Path, overrides: dict[str, Any] | None = None) -> TrainResult:
    config = load_config(folder / "own.yaml", overrides)
    return train(config, save_dir=folder / "run", workspace=workspace(folder))


def put(path: Path, dotted: str, value: Any) -> None:
    """Change one field of a JSON file that has no digest any more."""
    content = json.loads(path.read_text())
    content.pop("config_sha256", None)
    *parents, leaf = dotted.split(".")
    section = content
    for name in parents:
        section = section[name]
    section[leaf] = value
    path.write_text(json.dumps(content))


def command_in(error: InvalidFileError) -> list[str]:
    """The arguments of the command that the error of an earlier network ends in."""
    _, found, command = str(error).partition(": tricue ")
    assert found, error
    return shlex.split(command)


@pytest.mark.parametrize("written", [1, 2])
def test_a_checkpoint_of_an_earlier_network_is_refused(
    old: Path, written: int, capsys: pytest.CaptureFixture[str]
) -> None:
    card = old / "run/phase1/config.json"
    put(card, "format", written)
    assert tricue("info", "--model_path", card.parent) == 2
    assert f"{card}: the network of an earlier version" in capsys.readouterr().err


def test_the_command_in_its_error_trains_it_again(old: Path, working_folder: Path) -> None:
    card = old / "run/phase1/config.json"
    with pytest.raises(InvalidFileError) as refused:
        read_card(card.parent)
    command = command_in(refused.value)
    assert command == ["train", "--config", str(card), "--manifest", "YOUR.csv", "--save_dir", "NEW"]
    assert tricue(*(str(old / "rows.csv") if part == "YOUR.csv" else part for part in command)) == 0
    trained = read_card(working_folder / "NEW/best_model")
    assert trained.config.model.sizes == (16, 1) and trained.config.training.rate == 5e-3
    content = json.loads((working_folder / "NEW/best_model/config.json").read_text())
    assert content["format"] == FORMAT and "toy" not in content["config"]["data"]


def test_the_command_names_no_manifest_where_the_settings_name_a_corpus(old: Path) -> None:
    card = old / "run/phase1/config.json"
    put(card, "config.data.name", "MELD")
    with pytest.raises(InvalidFileError) as refused:
        read_card(card.parent)
    assert command_in(refused.value) == ["train", "--config", str(card), "--save_dir", "NEW"]


@pytest.mark.parametrize("name", ["run/run.json", "run/phase1/config.json"])
def test_recorded_settings_are_settings(old: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    put(old / name, "config.training.encoder_rate", 1e-7)  # which JSON writes without a point
    put(old / name, "config.data.emotions", ["12:30", "no", "\U0001f600\x85"])  # other things in YAML, without quotes
    config = load_config(old / name)
    assert config.model.sizes == (16, 1) and config.training.weight_decay == 0.01  # was the default
    assert config.training.encoder_rate == 1e-7 and config.data.emotions == ["12:30", "no", "\U0001f600\x85"]
    assert "auxiliary_weight" not in config.training.model_fields_set
    (warning,) = caplog.messages
    for gone in ("linear_path", "frontend_residual"):
        assert warning.count(f"{old / name}, model.{gone}: no setting any more") == 1


HOSTILE = {
    "too many values": ("config.data.emotions", ["x"] * 10_001, "more than 10,000 values"),
    "nested settings": ("config.data.mapping", json.loads('{"a": ' * 30 + "1" + "}" * 30), "deep"),
    "a long text": ("config.data.name", "x" * 500_000, "far smaller"),
    "a setting that is none": ("config.model.depth", 3, r"model\.depth"),
    "a width of words": ("config.model.width", "wide", r"model\.width"),
    "another constant": ("config.model.cross_heads", 2, r"model\.cross_heads.*1 always holds"),
    "a format of words": ("format", "new", "format 'new'"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_recorded_settings_are_read_within_the_bounds_of_yaml(old: Path, name: str) -> None:
    dotted, value, said = HOSTILE[name]
    card = old / "run/phase1/config.json"
    put(card, dotted, value)
    with pytest.raises(InvalidFileError, match=said) as refused:
        load_config(card)
    assert str(card) in str(refused.value) and len(str(refused.value)) < 1_000


def test_an_unfinished_run_of_an_earlier_network_is_another_run(old: Path) -> None:
    with pytest.raises(OtherRun, match=r"the network of an earlier version.*--restart"):
        go_on(old)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """own.yaml, and its run in this version."""
    folder = tmp_path_factory.mktemp("finished")
    shutil.copytree(MADE_BY_0_1_0, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("run"))
    assert not go_on(folder).already_done
    return folder


@pytest.mark.parametrize(
    "more",
    [{}, {"training.save_minutes": 1.0}, {"training.tensorboard": True}, {"evaluation.batch_size": 7},
     {"audit.probe": True}, {"features.audio.mfcc": 13}],
    ids=str,
)  # fmt: skip
def test_settings_that_decide_no_result_make_no_other_run(finished: Path, more: dict[str, Any]) -> None:
    assert go_on(finished, more).already_done


def test_settings_that_decide_the_result_make_another_run(finished: Path) -> None:
    with pytest.raises(OtherRun, match=r"holds another run \(training\.rate was 0\.005, now 0\.1\)"):
        go_on(finished, {"training.rate": 0.1})


def test_settings_that_are_new_since_a_run_stand_at_their_defaults(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    record = json.loads((tmp_path / "run/run.json").read_text())
    del record["config"]["training"]["auxiliary_weight"]
    (tmp_path / "run/run.json").write_text(json.dumps(record))
    assert go_on(tmp_path).already_done
    with pytest.raises(OtherRun, match=r"training\.auxiliary_weight"):
        go_on(tmp_path, {"training.auxiliary_weight": 0.0})


@pytest.mark.parametrize("given", ["later", 99])
@pytest.mark.parametrize("name", ["own.yaml", "run/run.json", "run/phase1/config.json"])
def test_a_later_format_is_one_clear_error(
    old: Path, name: str, given: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    if name == "own.yaml":
        (old / name).write_text(f"format: {given}\nsettings_of_the_future: 1\n")
    else:
        put(old / name, "format", given)
    flags = ["--config", old / "own.yaml", "--manifest", old / "rows.csv", "--save_dir", old / "run"]
    command = ["train", *flags] if name != "run/phase1/config.json" else ["info", "--model_path", old / "run/phase1"]
    assert tricue(*command) == 2
    said = capsys.readouterr().err
    assert str(old / name) in said and f"format {given!r}" in said and f"to {FORMAT}" in said
    assert given == "later" or "pip install --upgrade tricue" in said


def test_old_names_are_read_with_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("seed: 1\ncues: [text]\ntraining:\n  least_rate: 1e-7\n  rate: 1.0e-3\n")
    config = load_config(path)
    assert config.modalities == ["text"] and config.training.rate == 1e-3
    (warning,) = caplog.messages
    assert f"{path}, line 2, cues: now called modalities" in warning
    assert f"{path}, line 4, training.least_rate: no setting any more: 1e-07 always holds" in warning
    caplog.clear()
    given = parse_overrides(["cues=[audio]", "training={onecycle_end: 10000, rate: 0.1}"])
    config = load_config(path, given)
    assert config.modalities == ["audio"] and config.training.rate == 0.1
    (warning,) = caplog.messages
    assert "--set cues: now called modalities" in warning and "--set training.onecycle_end: no " in warning


def test_settings_that_are_gone_are_told_with_what_there_is_instead(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("format: 2\nmodel:\n  width: 64\n  linear_path: true\n")
    config = load_config(path, {"model.frontend_residual": True})
    assert config.model == load_config(None, {"model.width": 64}).model
    (warning,) = caplog.messages
    assert f"{path}, line 4, model.linear_path: no setting any more" in warning and "model.statistics" in warning
    assert "--set model.frontend_residual: no setting any more" in warning
    path.write_text(f"format: {FORMAT}\nmodel:\n  linear_path: true\n")
    with pytest.raises(InvalidFileError, match=r"line 3, model\.linear_path"):
        load_config(path)


def test_wrong_values_under_an_old_name_are_named_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("seed: 1\ncues: [smell]\ndata:\n  toy:\n    turns: 0\n")
    with pytest.raises(InvalidFileError, match=r"own\.yaml, line 2, modalities.*\n.*own\.yaml, line 5, toy\.turns=0"):
        load_settings(DemoConfig, path)
    with pytest.raises(InputError, match=r"^--set modalities=.*smell") as told:
        load_config(None, {"cues": ["smell"]})
    assert not isinstance(told.value, InvalidFileError)
    path.write_text("modalities: [text]\ncues: [audio]\n")
    with pytest.raises(InvalidFileError, match=r"line 2, cues: the old name of modalities, which is given too"):
        load_config(path)
    assert load_config(None, {"modalities": ["text"]}) == load_config(None, {"cues": ["text"]})


@pytest.mark.parametrize("value", [0.3, True, "fast", [0.5], 10**400])
def test_another_value_than_the_constant_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match=r"--set training\.warmup_start: .*0\.1 always holds.*WARMUP_START"):
        load_config(None, {"training.warmup_start": value})
    with pytest.raises(InvalidFileError, match=r"own, training\.warmup_start: "):
        build_config({"training": {"warmup_start": value}}, {}, "own")
    with pytest.raises(InvalidFileError, match=r"nearest: training\.warmup_epochs"):  # no setting of this format
        build_config({"format": FORMAT, "training": {"warmup_start": value}}, {}, "own")


def test_a_setting_without_effect_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert load_config(None, {"evaluation.draws": 200}) == Config()
    [message] = caplog.messages
    assert "evaluation.draws: no setting any more" in message and "leave it out" in message


def test_settings_of_the_toy_corpus_are_honoured_where_it_is_made(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("data: {toy: {text_rate: 0.9, seed: 3}}\n")
    chosen = load_settings(DemoConfig, path, {"data.toy.seed": 4})
    assert (chosen.toy.text_rate, chosen.toy.seed) == (0.9, 4)
    assert caplog.messages == [f"{path}, line 1, data.toy: now called toy; --set data.toy: now called toy."]
    caplog.clear()
    for given in ("data: {toy: {seed: 3}}\n", "toy: {seed: 3}\n"):
        path.write_text(given)
        assert load_config(path) == Config() == chosen.without_toy()
        assert "read by tricue demo and tricue prepare toy only" in caplog.messages.pop()
    with pytest.raises(InputError, match=r"--set toy\.sed=1: .*nearest: toy\.seed"):
        load_settings(DemoConfig, None, {"toy.sed": 1})


def test_the_constants_hold_what_the_settings_held() -> None:
    for step in STEPS:
        assert isinstance(step, RenameAndFix)
        for value, home in filter(lambda constant: constant.home, step.fixed.values()):
            module, _, name = home.rpartition(".")
            assert getattr(import_module(module), name) == value


def test_a_step_leaves_settings_of_the_next_format_as_they_are() -> None:
    now = Config().model_dump(mode="json")
    assert migrate(now, 1) == (now, []) == migrate(now, FORMAT)
    names = set(setting_names(DemoConfig)) | set(DemoConfig.model_fields)
    for step in STEPS:
        assert isinstance(step, RenameAndFix)
        assert not names & {*step.renamed, *step.fixed, *step.gone} and set(step.renamed.values()) <= names


@pytest.mark.parametrize("path", shipped_configs().values(), ids=lambda path: path.stem)
def test_shipped_configs_are_of_this_format(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert f"\nformat: {FORMAT}\n" in f"\n{path.read_text()}"
    load_config(path)
    assert not caplog.messages


def test_hostile_names_of_overrides_are_one_error(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        for name in (".".join("a" * 50_000), "data.toy." * 9_000, "format"):
            with pytest.raises(InputError, match="no such setting"):
                load_settings(DemoConfig, None, {name: 1})
