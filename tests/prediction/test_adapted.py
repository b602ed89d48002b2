"""Answers adapted to the speaker: what they may depend on, and what they must not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.small_runs import small, workspace

from tricue.checkpoint.checkpoint import Card, load_checkpoint
from tricue.config.speaker_settings import Form
from tricue.evaluation.evaluate import Evaluation, measure
from tricue.model.network import Network
from tricue.prediction.adapted import Adaptation, make_adaptation
from tricue.prediction.batches import Examples, gather_examples
from tricue.prediction.inference import read_logits
from tricue.training.train import train
from tricue.types import InputError, Utterance

DIM, SPEAKERS, ROWS = 4, 12, 20
CLASSES = ("anger", "joy")
MEANS = {"anger": (1.0, 0.0, 0.0, 0.0), "joy": (-1.0, 0.0, 0.0, 0.0)}


def spoken(speakers: int, rows: int, seed: int, first: int = 0) -> tuple[list[Utterance], dict[str, np.ndarray]]:
    """Rows whose class shows in the first number, as does the speaker: whose level is its own."""
    rng = np.random.default_rng(seed)
    made, arrays = [], {}
    for speaker in range(first, first + speakers):
        offset = rng.normal(0, 1.5, DIM) * [1.0, 1.0, 0.0, 0.0]
        for i in range(rows):
            label = CLASSES[int(rng.integers(2))]
            id_ = f"s{speaker}-{i}"
            made.append(Utterance(id_, label=label, speaker=f"s{speaker}", dialogue=f"d{speaker}", turn=i))
            steps = rng.normal(0, 0.5, (6, DIM)) + MEANS[label] + offset + rng.normal(0, 0.3, DIM)
            arrays[id_] = steps.astype(np.float32)
    return made, arrays


def save(path: Path, arrays: dict[str, np.ndarray]) -> None:
    np.savez(path, id=np.array(list(arrays)), values=np.stack(list(arrays.values())))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on made-up voices, `rows.csv` with a test part of other speakers."""
    folder = tmp_path_factory.mktemp("voices")
    known, arrays = spoken(SPEAKERS, ROWS, seed=0)
    other, more = spoken(10, 40, seed=1, first=SPEAKERS)
    save(folder / "voice.npz", arrays | more)
    rows = [replace(u, split="train") for u in known] + [replace(u, split="test") for u in other]
    config = small(
        modalities=["audio"], features__audio__precomputed=str(folder / "voice.npz"), speaker__adaptation="all",
        training__select="last", training__phase1_epochs=8, data__emotions=list(CLASSES),
    )  # fmt: skip
    train(config, save_dir=folder / "run", workspace=workspace(folder, rows))
    return folder


def scored(place: Path, form: Form | None) -> Evaluation:
    return measure(place / "run/best_model", workspace=workspace(place), speaker_adaptation=form)


def uar(result: Evaluation) -> float:
    return float(result.metrics["uar"]["value"])


@pytest.fixture(scope="module")
def model(place: Path) -> tuple[Network, Card]:
    return load_checkpoint(place / "run/best_model")


def adapted(
    model: tuple[Network, Card], rows: list[Utterance], arrays: dict[str, np.ndarray], form: Form,
    among: list[Utterance] | None = None,
) -> tuple[torch.Tensor, torch.Tensor, list[int]]:  # fmt: skip
    """Logits without and with adaptation, and from how many rows."""
    network, card = model
    examples = gather_examples(rows, {"audio": arrays}, None)
    plain = read_logits(network, examples, 64, "cpu")
    adaptation = make_adaptation(card, form, among or rows)
    assert isinstance(adaptation, Adaptation)
    return plain, *adaptation.adapt(network, examples, plain, 64, "cpu")


def test_speakers_of_their_own_level_are_answered_better(place: Path) -> None:
    off, past, all_ = (scored(place, form) for form in ("off", "past", "all"))
    assert uar(all_) > uar(off) + 0.05
    assert uar(off) + 0.02 < uar(past) < uar(all_)
    assert all_.metrics["speaker_adaptation"] == {
        "form": "all", "transductive": True, "clips": {"median": 39.0, "least": 39, "most": 39},
    }  # fmt: skip
    assert "transductive" in all_.title and "adapted" not in off.title
    assert past.metrics["speaker_adaptation"]["clips"]["least"] == 0
    assert "transductive" in all_.metrics["split_role"]
    assert scored(place, None).metrics["speaker_adaptation"]["form"] == "all"  # as it was trained


def test_a_row_without_others_is_answered_as_without_adaptation(model: tuple[Network, Card]) -> None:
    rows, arrays = spoken(3, 4, seed=2)
    alone = [*rows, Utterance("alone", speaker="nobody else"), Utterance("nameless")]
    arrays |= {"alone": arrays["s0-0"], "nameless": arrays["s0-0"]}
    for form in ("past", "all"):
        plain, found, counts = adapted(model, alone, arrays, form)  # type: ignore[arg-type]
        assert counts[-2:] == [0, 0]
        assert torch.equal(found[-2:], plain[-2:])
        assert not torch.equal(found[:-2], plain[:-2])


def test_the_past_knows_nothing_of_later_rows(model: tuple[Network, Card]) -> None:
    rows, arrays = spoken(1, 12, seed=3)
    _, whole, counts = adapted(model, rows, arrays, "past")
    assert counts == list(range(12))
    _, early, _ = adapted(model, rows[:7], arrays, "past")
    torch.testing.assert_close(whole[:7], early, rtol=0, atol=1e-6)
    changed = {id_: steps + (9.0 if int(id_.split("-")[1]) >= 7 else 0.0) for id_, steps in arrays.items()}
    _, other, _ = adapted(model, rows, changed, "past")
    torch.testing.assert_close(whole[:7], other[:7], rtol=0, atol=1e-6)


def test_other_speakers_change_nothing(model: tuple[Network, Card]) -> None:
    rows, arrays = spoken(3, 8, seed=4)
    _, together, _ = adapted(model, rows, arrays, "all")
    _, alone, _ = adapted(model, rows[:8], arrays, "all")
    torch.testing.assert_close(together[:8], alone, rtol=0, atol=1e-5)


def test_the_order_of_the_rows_changes_nothing(model: tuple[Network, Card]) -> None:
    rows, arrays = spoken(2, 9, seed=5)
    _, found, _ = adapted(model, rows, arrays, "all")
    _, backwards, _ = adapted(model, rows[::-1], arrays, "all")
    torch.testing.assert_close(found, backwards.flip(0), rtol=0, atol=1e-5)


def test_rows_beside_those_that_are_asked_for_tell_of_the_speaker(model: tuple[Network, Card]) -> None:
    """Rows without a label are clips of the speaker, too."""
    rows, arrays = spoken(1, 10, seed=6)
    _, whole, _ = adapted(model, rows, arrays, "all")
    _, part, counts = adapted(model, rows[:3], arrays, "all", among=rows)
    assert counts == [9, 9, 9]
    torch.testing.assert_close(part, whole[:3], rtol=0, atol=1e-5)


def test_labels_are_never_read(model: tuple[Network, Card]) -> None:
    rows, arrays = spoken(2, 6, seed=7)
    _, found, _ = adapted(model, rows, arrays, "all")
    _, blind, _ = adapted(model, [replace(row, label=None) for row in rows], arrays, "all")
    assert torch.equal(found, blind)


def test_an_offset_is_taken_off_as_the_formula_says(model: tuple[Network, Card]) -> None:
    """The answers of `all` for two rows of a speaker, step by step."""
    network, card = model
    rows, arrays = spoken(1, 2, seed=8)
    _, found, _ = adapted(model, rows, arrays, "all")
    assert card.speakers is not None
    known = card.speakers.offsets["audio"]
    with torch.no_grad():
        vectors, masks = network.vectors(Examples(rows, {"audio": arrays}, None).batch([0, 1]))
        whole = network.decide(vectors, masks).whole["audio"]
        present = {"audio": torch.tensor([True, True])}
        pooled, statistics = whole[:, : network.pooled_width], whole[:, network.pooled_width :]

        def logits(offset: torch.Tensor) -> torch.Tensor:
            return network.conclude({"audio": torch.cat([pooled, statistics - offset], dim=1)}, present)

        offset = torch.zeros_like(statistics)
        for _ in range(5):
            shares = card.task.values(logits(offset), card.calibration) ** 1.5
            answers = (shares / shares.sum(dim=1, keepdim=True)).float()
            residuals = statistics - known.expected(answers)
            offset = known.estimate(residuals.sum(dim=0), torch.tensor(2))
        own = torch.stack([known.estimate(residuals[1 - i], torch.tensor(1)) for i in (0, 1)])
        torch.testing.assert_close(found, logits(own), rtol=0, atol=1e-5)


def test_what_cannot_be_adapted_is_refused(model: tuple[Network, Card], caplog: pytest.LogCaptureFixture) -> None:
    _, card = model
    nameless = [Utterance("a"), Utterance("b")]
    with pytest.raises(InputError, match=r"no row names its speaker.*column `speaker`, or choose off"):
        make_adaptation(card, "all", nameless)
    assert make_adaptation(card, None, nameless) is None  # its default asks for nothing that is not there
    assert "no row names one" in caplog.text
    with pytest.raises(InputError, match=r"knows nothing of how speakers differ. Train it anew"):
        make_adaptation(replace(card, speakers=None), "past", [Utterance("a", speaker="Ann")])
    caplog.clear()
    made = make_adaptation(card, "all", [Utterance("a", speaker="Ann"), Utterance("b", speaker="Bo")])
    assert made is not None and "no speaker has two rows" in caplog.text
