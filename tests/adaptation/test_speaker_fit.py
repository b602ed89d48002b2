"""How speakers differ, found again in rows that were drawn with known differences."""

import numpy as np
import pytest
import torch

from tricue.adaptation.speaker_fit import fit_means, fit_offsets, number_speakers
from tricue.types import Utterance

SPEAKERS, ROWS, CLASSES, WIDTH = 60, 40, 3, 5


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vectors, answers, speakers, offsets: speakers differ along the first two directions alone."""
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(SPEAKERS), ROWS)
    classes = rng.integers(0, CLASSES, len(speakers))
    offsets = np.zeros((SPEAKERS, WIDTH))
    offsets[:, :2] = rng.normal(size=(SPEAKERS, 2)) * [2.0, 0.5]
    means = rng.normal(size=(CLASSES, WIDTH))
    vectors = means[classes] + offsets[speakers] + rng.normal(size=(len(speakers), WIDTH))
    return vectors, np.eye(CLASSES)[classes], speakers, offsets


def test_offsets_and_means_are_found(rows: tuple[np.ndarray, ...]) -> None:
    vectors, answers, speakers, offsets = rows
    means, found = fit_means(vectors, answers, speakers)
    np.testing.assert_allclose(found, offsets - offsets.mean(axis=0), atol=0.8)  # 40 rows: 0.16 each
    assert np.corrcoef(found[:, 0], offsets[:, 0])[0, 1] > 0.99
    left = vectors - answers @ means[:-1] - means[-1] - found[speakers]
    np.testing.assert_allclose(left.std(axis=0), 1.0, atol=0.05)


def test_the_means_are_those_of_a_speaker_in_the_middle() -> None:
    """A speaker of one class alone must not move the mean of that class."""
    speakers = np.array([0] * 8 + [1] * 8)
    classes = np.array([0, 1] * 4 + [1] * 8)
    vectors = np.array([[0.0], [1.0]])[classes] + np.array([[-3.0], [3.0]])[speakers]
    means, _ = fit_means(vectors, np.eye(2)[classes], speakers)
    assert means[1, 0] - means[0, 0] == pytest.approx(1.0, abs=0.8)  # 3 without offsets: the plain means


def test_directions_in_which_speakers_do_not_differ_are_left_alone(rows: tuple[np.ndarray, ...]) -> None:
    vectors, answers, speakers, _ = rows
    offsets = fit_offsets(vectors, answers, speakers)
    moved = offsets.estimate(torch.eye(WIDTH), torch.ones(WIDTH, dtype=torch.long)).diagonal()
    assert moved[0] == pytest.approx(0.8, abs=0.08)  # 4 / (4 + 1): Ledoit and Wolf's share of the unit matrix is small
    assert moved[1] == pytest.approx(0.2, abs=0.12)
    assert (moved[2:].abs() < 0.1).all()


def test_a_speaker_of_one_row_has_no_number() -> None:
    rows = [Utterance("a", speaker="Ann"), Utterance("b", speaker="Bo"), Utterance("c"), Utterance("d", speaker="Ann")]
    assert number_speakers(rows).tolist() == [0, -1, -1, 0]


def test_the_same_name_in_two_corpora_is_two_speakers() -> None:
    rows = [Utterance(f"{i}", speaker="01", corpus=name) for i, name in enumerate(["one", "two", "one", "two"])]
    assert number_speakers(rows).tolist() == [0, 1, 0, 1]
