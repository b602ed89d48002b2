"""Settings: shipped configs, overrides, and the command line's own rules for epochs and rates."""

import logging
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricue.cli.setting_flags import with_epochs, with_learning_rate
from tricue.config.load import load_config, parse_overrides, share_epochs, shipped_configs
from tricue.types import InputError


@pytest.mark.parametrize("name", shipped_configs())
def test_every_shipped_config_is_valid_and_found_in_any_case(name: str) -> None:
    assert load_config(name) == load_config(name.upper())


def test_the_seeds_corpora_are_shipped() -> None:
    assert {"meld", "iemocap", "ravdess", "demo"} <= set(shipped_configs())


@pytest.mark.parametrize(
    ("given", "value"), [("training.rate=1e-3", 1e-3), ("training.rate=2.5E-4", 2.5e-4), ("training.rate=1", 1.0)]
)
def test_numbers_as_people_write_them(given: str, value: float) -> None:
    assert load_config(None, parse_overrides([given])).training.rate == value


def test_unknown_config_names_the_shipped_ones() -> None:
    with pytest.raises(InputError, match=r"Shipped: .*meld"):
        load_config("meldd")


def test_modalities_come_in_canonical_order_and_once() -> None:
    assert load_config(None, {"modalities": ["video", "text"]}).modalities == ["text", "video"]
    with pytest.raises(InputError):
        load_config(None, {"modalities": ["text", "text"]})


def test_finetuning_needs_a_hub_encoder() -> None:
    with pytest.raises(InputError, match="finetune"):
        load_config(None, {"model.finetune": "all", "features.text.encoder": "light"})


@pytest.mark.parametrize(
    ("rows", "sizes"),
    [(1, (64, 1)), (8_000, (64, 1)), (8_001, (128, 1)), (40_000, (128, 1)), (40_001, (256, 3)), (10**7, (256, 3))],
)
def test_automatic_width_and_layers_go_by_the_training_rows(rows: int, sizes: tuple[int, int]) -> None:
    settled = load_config(None, {"model.width": "auto"}).model.settled(rows)
    assert (settled.width, settled.bilstm_layers) == settled.sizes == sizes
    assert settled.settled(10**9) == settled


def test_a_network_that_starts_from_another_has_its_sizes() -> None:
    other = load_config(None, {"model.width": 128, "model.bilstm_layers": 2}).model
    assert load_config(None).model.settled(10, like=other).sizes == (128, 2)
    assert load_config(None, {"model.width": 32}).model.settled(10, like=other).sizes == (32, 2)


def test_sizes_that_are_given_are_kept() -> None:
    assert load_config(None, {"model.width": 96}).model.settled(1).sizes == (96, 1)  # layers go by the width
    assert load_config(None, {"model.bilstm_layers": 0}).model.settled(9_000).sizes == (128, 0)
    with pytest.raises(ValueError, match=r"model\.width is auto"):
        assert load_config(None).model.sizes


@pytest.mark.parametrize(("width", "shared"), [(96, 192), ("auto", 128)])
def test_heads_that_do_not_divide_the_width_are_named(width: object, shared: int) -> None:
    with pytest.raises(InputError, match=f"bilstm_heads=7 does not divide {shared}"):
        load_config(None, {"model.width": width, "model.bilstm_heads": 7})


def test_epochs_flag_is_shared_out() -> None:
    assert with_epochs(load_config(), 8, (None, None, None)).training.epochs == (3, 3, 2)


def test_epochs_beside_phases_must_agree() -> None:
    config = load_config()
    assert with_epochs(config, 30, (10, 10, 10)).training.epochs == (10, 10, 10)
    assert with_epochs(config, None, (4, None, None)).training.epochs == (4, 15, 10)
    assert with_epochs(config, 29, (4, None, None)).training.epochs == (4, 15, 10)
    with pytest.raises(InputError, match="10 \\+ 10 \\+ 10 = 30"):
        with_epochs(config, 40, (10, 10, 10))


def test_phases_2_and_3_may_have_no_epoch_and_phase_1_must() -> None:
    none = {"training.phase2_epochs": 0, "training.phase3_epochs": 0}
    assert load_config(None, none).training.epochs == (15, 0, 0)
    for wrong in ({"training.phase1_epochs": 0}, {"training.phase2_epochs": -1}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            load_config(None, wrong)


def test_epochs_flag_brings_no_phase_back_that_is_left_out() -> None:
    config = load_config(None, {"training.phase2_epochs": 0})
    assert with_epochs(config, 20, (None, None, None)).training.epochs == (12, 0, 8)
    assert with_epochs(config, 20, (10, 5, 5)).training.epochs == (10, 5, 5)
    assert with_epochs(config, 2, (2, 0, 0)).training.epochs == (2, 0, 0)
    with pytest.raises(InputError, match="--epochs 1: 2 phases"):
        with_epochs(config, 1, (None, None, None))


@pytest.mark.parametrize(
    ("total", "shares", "want"),
    [
        (40, (15, 15, 0), (20, 20, 0)),
        (40, (15, 0, 10), (24, 0, 16)),
        (40, (15, 0, 0), (40, 0, 0)),
        (7, (1, 1, 0), (4, 3, 0)),  # a tie: the earlier phase first
        (1003, (1000, 2, 1), (1000, 2, 1)),
        (10, (1000, 2, 1), (8, 1, 1)),  # 9.97, 0.02, 0.01: none is left without
    ],
)
def test_epochs_by_other_shares(total: int, shares: tuple[int, int, int], want: tuple[int, int, int]) -> None:
    assert share_epochs(total, shares) == want


any_shares = st.tuples(st.integers(1, 60), st.integers(0, 60), st.integers(0, 60))


@given(shares=any_shares, extra=st.integers(0, 200))
def test_every_phase_with_a_share_gets_an_epoch_and_no_other(shares: tuple[int, int, int], extra: int) -> None:
    present = [share for share in shares if share]
    total = len(present) + extra
    got = share_epochs(total, shares)
    assert sum(got) == total
    assert [epochs > 0 for epochs in got] == [share > 0 for share in shares]
    exact = [Fraction(total * share, sum(shares)) for share in shares]
    if min(part for part in exact if part) >= 1:  # else the longest phase has given some away
        assert all(abs(part - want) < 1 for part, want in zip(got, exact, strict=True))
    assert share_epochs(sum(shares), shares) == shares


@given(shares=any_shares)
def test_fewer_epochs_than_phases_are_an_error(shares: tuple[int, int, int]) -> None:
    phases = sum(share > 0 for share in shares)
    with pytest.raises(InputError, match=f"{phases} phases need at least {phases}"):
        share_epochs(phases - 1, shares)


def test_learning_rate_goes_to_whoever_is_trained(caplog: pytest.LogCaptureFixture) -> None:
    live = load_config("meld-finetuned")
    assert with_learning_rate(live, 3e-5).training.encoder_rate == 3e-5
    assert with_learning_rate(live, 3e-5).training.rate == live.training.rate
    frozen = load_config("meld-finetuned", {"model.finetune": "none"})
    with caplog.at_level(logging.WARNING):
        assert with_learning_rate(frozen, 1e-3).training.rate == 1e-3
        assert not caplog.records
        assert with_learning_rate(frozen, 5e-5).training.rate == 5e-5
    assert "below 2e-4" in caplog.text


def test_a_word_in_place_of_finetune_is_that_of_the_text_encoder(tmp_path: Path) -> None:
    """As it was written before other encoders could be trained."""
    config = tmp_path / "mine.yaml"
    config.write_text("model:\n  finetune: all\n")
    assert load_config(config).model.finetune.text == "all"
    both = load_config(config, {"model.finetune.video": 3}).model.finetune
    assert (both.text, both.video) == ("all", 3)
    for order in (("model.finetune", "model.finetune.video"), ("model.finetune.video", "model.finetune")):
        given = {name: 2 if name == "model.finetune" else 3 for name in order}
        both = load_config(None, given).model.finetune
        assert (both.text, both.video) == (2, 3)
