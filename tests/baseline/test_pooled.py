"""One vector per row: means, deviations and flags, worked out by hand."""

import numpy as np

from tricue.baseline.pooled import Pooling
from tricue.types import Utterance

ROWS = [Utterance(f"u{i}") for i in range(4)]
TEXT = {  # u3 has none
    "u0": np.array([[1.0, 5.0], [3.0, 5.0]]),  # means 2, 5; deviations 1, 0
    "u1": np.array([[6.0, 5.0]]),  # 6, 5; 0, 0
    "u2": np.array([[4.0, 5.0]]),  # 4, 5; 0, 0
}
FACE = {row.id: np.array([[float(i)]]) for i, row in enumerate(ROWS)}  # a single step everywhere


def test_means_deviations_and_flags_are_standardised_by_the_training_rows() -> None:
    pooling = Pooling.of(ROWS, {"text": TEXT, "video": FACE}, ["text", "video"])
    assert pooling.deviations == {"text": True, "video": False}
    found = pooling.vectors(ROWS, {"text": TEXT, "video": FACE})
    spread, face = np.sqrt(8 / 3), np.sqrt(1.25)  # of 2, 6, 4; of 0, 1, 2, 3
    moved = np.sqrt(2 / 9)  # of 1, 0, 0
    expected = [
        # mean of text; constant, so 0; deviation of it; constant; face; flags: text, and video that all rows have
        [-2 / spread, 0, (2 / 3) / moved, 0, -1.5 / face, 1, 0],
        [2 / spread, 0, (-1 / 3) / moved, 0, -0.5 / face, 1, 0],
        [0, 0, (-1 / 3) / moved, 0, 0.5 / face, 1, 0],
        [0, 0, 0, 0, 1.5 / face, 0, 0],  # without text: the mean of training
    ]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_other_rows_are_scaled_as_the_training_rows_were() -> None:
    pooling = Pooling.of(ROWS, {"text": TEXT}, ["text"])
    (found,) = pooling.vectors([Utterance("new")], {"text": {"new": np.array([[4.0, 9.0]])}})
    np.testing.assert_allclose(found, [0, 0, -1 / 3 / np.sqrt(2 / 9), 0, 1], atol=1e-6)
    (nothing,) = pooling.vectors([Utterance("new")], {})
    np.testing.assert_array_equal(nothing, np.zeros(5))


def test_a_modality_that_no_training_row_has_is_left_out() -> None:
    pooling = Pooling.of(ROWS, {"text": TEXT, "audio": {}}, ["text", "audio", "video"])
    assert list(pooling.widths) == ["text"]
