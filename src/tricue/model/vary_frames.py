"""Pictures varied in training, so that an image encoder learns the face and not the photograph."""

import math

import torch
from torch.nn import functional

TURN = math.radians(15.0)  # at most, either way
RESIZE, SHIFT = 0.125, 0.125  # of the picture's side, at most
CONTRAST, BRIGHTNESS = 0.2, 0.1  # of a normalised picture
COVERED, COVER_CHANCE = 0.25, 0.5  # side of the square that hides a part, of the picture's


def vary(pictures: torch.Tensor) -> torch.Tensor:
    """(N, 3, S, S) normalised -> mirrored, turned, resized, shifted, of another brightness, a square of it covered.

    Draws from torch's CPU state, on any device.
    """
    count, _, side, _ = pictures.shape
    turn, size, contrast, brightness = _drawn(4, count)
    angle, factor = TURN * turn, 1.0 + RESIZE * size
    mirrored = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    move = torch.zeros(count, 2, 3)
    move[:, 0, 0], move[:, 0, 1] = angle.cos() * factor * mirrored, -angle.sin() * factor
    move[:, 1, 0], move[:, 1, 1] = angle.sin() * factor * mirrored, angle.cos() * factor
    move[:, :, 2] = 2.0 * SHIFT * torch.stack(_drawn(2, count), dim=1)  # the grid spans 2
    kept = _uncovered(count, side).to(pictures.device)
    contrast = (1.0 + CONTRAST * contrast).view(-1, 1, 1, 1).to(pictures)
    grid = functional.affine_grid(move.to(pictures), list(pictures.shape), align_corners=False)
    moved = functional.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    return (moved * contrast + (BRIGHTNESS * brightness).view(-1, 1, 1, 1).to(pictures)) * kept


def _drawn(numbers: int, count: int) -> list[torch.Tensor]:
    """(count,) each, evenly between -1 and 1."""
    return list(2.0 * torch.rand(numbers, count) - 1.0)


def _uncovered(count: int, side: int) -> torch.Tensor:
    """(count, 1, side, side) 1, and 0 in a square of every other picture, which is then their mean."""
    width = round(COVERED * side)
    corner = (torch.rand(2, count) * (side - width + 1)).floor()
    place = torch.arange(side)
    inside = [(place >= own[:, None]) & (place < own[:, None] + width) for own in corner]  # rows, columns
    hit = inside[0][:, :, None] & inside[1][:, None, :] & (torch.rand(count) < COVER_CHANCE)[:, None, None]
    return (~hit).unsqueeze(1).float()
