"""Wrong settings: the place that gave them is named, with the nearest name; YAML stays within bounds."""

import os
import time
from pathlib import Path

import numpy as np
import pytest
from tests.mutations import COUNTS

from tricue.cli.setting_flags import read_settings
from tricue.config.load import build_config, load_config, parse_overrides, shipped_configs
from tricue.registry import CORPORA
from tricue.types import InputError, InvalidFileError


def fault_of(*assignments: str, source: Path | None = None) -> str:
    with pytest.raises(InputError) as caught:
        load_config(source, parse_overrides(assignments))
    message = str(caught.value)
    assert len(message) < 2_000
    message.encode("utf-8")
    return message


@pytest.mark.parametrize(
    ("given", "near"),
    [
        ("training.lr", "training.rate"), ("lr", "training.rate"), ("training.learning_rate", "training.rate"),
        ("training.rat", "training.rate"), ("rate", "training.rate"), ("training.epochs", "training.phase1_epochs"),
        ("batch", "training.batch_size"), ("training.batchsize", "training.batch_size"), ("model.widht", "model.width"),
        ("features.text.encodr", "features.text.encoder"), ("model.hidden_size", "model.width"),
        ("data.emotion", "data.emotions"), ("trainig.dropout", "model.dropout"), ("Training.Rate", "training.rate"),
    ],
)  # fmt: skip
def test_an_unknown_name_of_set_is_attributed_to_set_with_the_nearest(given: str, near: str) -> None:
    message = fault_of(f"{given}=1e-3")
    assert message.startswith(f"--set {given}=") and f"nearest: {near}" in message and "default" not in message


@pytest.mark.parametrize(
    ("given", "allowed"),
    [
        ("training.rate=fast", "valid number"), ("training.rate=0", "greater than 0"),
        ("training.select=bset", "'last'"), ("training.rate=1e999", "finite"),
        ("training.rate=.nan", "finite"), ("training.rate=-.inf", "finite"),
        ("training.rate=true", "switches"), ("seed=yes", "switches"), ("model.finetune=on", "switches"),
        ("seed=99999999999999999999", "less than"), ("model.width=7", "multiple of 16"),
        ("features.video.frames=1000000000", "1000000"), ("training=3", "a section of settings"),
        ("training={lr: 2}", "nearest: training.rate"), ("seed.deep=1", "has no parts"),
        ("data.emotions=[joy, Joy]", "repeat"), ("data.emotions=[yes, no]", "quotes"),
        ("data.emotions=[1.0, 1]", "repeat"), ("data.emotions=[very glad, Very_Glad]", "repeat"),
        ("model.bilstm_heads=5", "divide"),
        ("features.text.encoder=\"a\\0b\"", "control characters"), ("data.fold=S3", "no folds"),
        ("modalities=text", "list"),
        ("=1", "NAME=VALUE"), ("training.rate", "NAME=VALUE"), (".=1", "no such setting"),
        ("a..b=1", "no such setting"),
    ],
)  # fmt: skip
def test_a_wrong_value_of_set_says_what_is_allowed(given: str, allowed: str) -> None:
    message = fault_of(given)
    assert "--set" in message and allowed in message


def test_a_flag_of_its_own_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^--batch_size=0: .*greater than or equal to 1"):
        read_settings(None, None, None, None, None, {"training.batch_size": 0})
    with pytest.raises(InputError, match=r"--set training\.batch_size=-1"):
        read_settings(None, None, ["training.batch_size=-1"], None, None, {"training.batch_size": 4})


def test_settings_of_a_file_are_named_with_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("seed: 1\ntraining:\n  batch_size: 8\n  lr: 1\n")
    with pytest.raises(InvalidFileError, match=r"own\.yaml, line 4, training\.lr=1: .*nearest: training\.rate"):
        load_config(path)
    path.write_text("seed: 1\ntraining: {batch_size: 0}\n")
    message = fault_of("training.rat=1", source=path)
    assert "own.yaml, line 2, training.batch_size=0" in message and "--set training.rat=1" in message
    path.write_text("seed: 1\n")
    with pytest.raises(InputError) as caught:
        load_config(path, {"seed": -1})
    assert "own.yaml" not in str(caught.value) and not isinstance(caught.value, InvalidFileError)
    with pytest.raises(InvalidFileError, match=r"a checkpoint, training\.lr=1"):
        build_config({"training": {"lr": 1}}, {}, "a checkpoint")


LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (LAUGHS, 1, "10,000 values"), ("x: &x [*x]\n", 1, "20 deep"), ("seed: 1\nx: " + "[" * 50_000, 2, "20 deep"),
        ("seed: 1\nseed: 2\n", 2, "stands twice, first in line 1"), ("training:\n  rate: 1\n  rate: 2\n", 3, "twice"),
        ("data:\n  fold: 2024-01-01\n", 2, "is a date"), ("data:\n  fold: 2001-12-14 21:59:43\n", 2, "is a date"),
        ("data:\n  fold: 12:30\n", 2, "quotes"), ("data:\n  fold: 03\n", 2, "quotes"),
        ("seed: !!python/object/apply:os.system [ls]\n", 1, "the tag !!python/object/apply:os.system"),
        ("seed: !!binary aGk=\n", 1, "the tag !!binary"), ("seed: !own 3\n", 1, "the tag !own"),
        ("seed: !!set {a, b}\n", 1, "the tag !!set"), ("seed: !!int abc\n", 1, "is not what its tag !!int says"),
        ("a: &a {seed: 1}\n<<: *a\n", 2, "<< is not read"), ("? [a]\n: 1\n", 1, "a name is expected"),
        ("seed: 1\n---\nseed: 2\n", 2, "not valid YAML"), ("seed: [1\n", 2, "not valid YAML"),
        (f"seed: {'9' * 5_000}\n", 1, "a number of 5,000 characters"), ("seed: *none\n", 1, "undefined alias"),
    ],
    ids=range(20),
)  # fmt: skip
def test_what_yaml_can_say_beyond_settings_is_named_with_its_line(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(text)
    before = time.monotonic()
    with pytest.raises(InvalidFileError) as caught:
        load_config(path)
    assert f"own.yaml, line {line}: " in str(caught.value) and said in str(caught.value)
    assert time.monotonic() - before < 5 and len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "value",
    [
        "*a",
        "&a [*a]",
        "[" * 90_000,
        "!!python/none",
        "2024-01-01",
        "{a: 1, a: 2}",
        "9" * 5_000,
        "y" * 200_000,
        "\udcff",
    ],
    ids=range(9),
)
def test_the_same_of_a_value_of_set(value: str) -> None:
    assert "--set data.name=" in fault_of(f"data.name={value}")


def test_files_that_are_no_yaml(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    for content in ("seed: 1".encode("utf-16"), b"\xff\xfe\xfa", b"seed: \x00", b"- 1\n", b"hello", b"x" * 500_000):
        path.write_bytes(content)
        with pytest.raises(InvalidFileError, match=r"own\.yaml"):
            load_config(path)
    os.mkfifo(tmp_path / "pipe.yaml")
    for name in (tmp_path / "pipe.yaml", "/dev/zero", "a\0b", "x" * 5_000):
        with pytest.raises(InputError, match="No config named"):
            load_config(name)


def test_what_is_within_bounds_is_read(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "model: &m {width: 32}\ndata:\n  mapping: {1: joy, no: anger, 2024-01-01: 7}\n  emotions: [1, two]\n"
    )
    config = load_config(
        path, parse_overrides(["data.mapping.very.happy=joy", "training.rate=1_0.5", "data.fold="]) | {"data.fold": ""}
    )
    assert config.data.mapping == {"1": "joy", "no": "anger", "2024-01-01": "7", "very.happy": "joy"}
    assert config.data.emotions == ["1", "two"] and config.model.width == 32 and config.training.rate == 10.5


PIECES = [
    "*a", "&a ", "[", "{", "]", "}", ": ", "- ", "\n", "\t", "  ", "!!", "!!python/x ", "? ", "| ", ">", "'", '"',
    "<<: ", "0x", "1e", "9" * 200, ".inf", "2024-01-01", "\\", "%", "@", "#", "\x00", "\u2028", "---", "...", "[" * 400,
    "seed", "training: ",
]  # fmt: skip


def damaged(text: str, number: int) -> str:
    rng = np.random.default_rng([13, number])
    letters = list(text)
    for _ in range(int(rng.integers(1, 6))):
        at = int(rng.integers(0, len(letters) + 1))
        match int(rng.integers(3)):
            case 0:
                del letters[at : at + int(rng.integers(1, 30))]
            case 1:
                letters[at:at] = PIECES[int(rng.integers(len(PIECES)))]
            case _:
                letters[at : at + 1] = chr(int(rng.integers(1, 300)))
    return "".join(letters)


@pytest.mark.parametrize("count", COUNTS)
def test_fuzz_of_files_is_one_error_or_settings(tmp_path: Path, count: int) -> None:
    texts = [path.read_text(encoding="utf-8") for path in shipped_configs().values()]
    path = tmp_path / "own.yaml"
    refused = 0
    for number in range(count):
        path.write_text(damaged(texts[number % len(texts)], number), encoding="utf-8")
        try:
            load_config(path)
        except InvalidFileError as error:
            refused += 1
            assert len(str(error)) < 20_000 and "own.yaml" in str(error), number
    assert refused > count / 3


@pytest.mark.parametrize("count", COUNTS)
def test_fuzz_of_set_is_one_error_or_settings(count: int) -> None:
    good = ["training.rate=1e-3", "data.mapping={a: joy, b: [x]}", "features.text.layer=[1, 2]", "modalities=[text]"]
    for number in range(count):
        try:
            load_config(None, parse_overrides([damaged(good[number % len(good)], number)]))
        except InputError as error:
            assert len(str(error)) < 5_000 and "--set" in str(error), number


def test_a_dataset_without_shipped_settings_has_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CORPORA._built_in, "Diary", "diary:read")
    config = read_settings("diary", None, ["model.width=32"], None, None, {})
    assert (config.data.name, config.model.width) == ("diary", 32)
