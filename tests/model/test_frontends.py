"""The fine-tuned text encoder inside the network: own tokens only, and no row sees another."""

import pytest
import torch
from transformers import BertConfig, BertModel

from tricue.config.load import load_config
from tricue.config.settings import Config
from tricue.model.frontends import LiveText
from tricue.model.network import Network
from tricue.types import Batch, InputError

# [token id, own?]: context and special tokens stand before and after the utterance's own
ROWS = [
    [(2, 0), (9, 0), (8, 0), (11, 1), (12, 1), (13, 1), (3, 0)],
    [(2, 0), (20, 1), (3, 0)],
    [(2, 0), (9, 0), (30, 1), (31, 1), (3, 0)],
]


def encoder() -> BertModel:
    torch.manual_seed(0)
    settings = BertConfig(
        vocab_size=40, hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32
    )
    return BertModel(settings).eval()


def config(layer: int | list[int] | None) -> Config:
    settings = {"model.width": 32, "model.finetune": "all", "modalities": ["text"]}
    return load_config(None, settings | {"features.text.layer": layer})


def tokens_of(rows: list[list[tuple[int, int]]], extra: int = 0, junk: int = 0) -> Batch:
    steps = max(len(row) for row in rows) + extra
    values = torch.full((len(rows), steps, 2), junk)
    mask = torch.zeros(len(rows), steps, dtype=torch.bool)
    for b, row in enumerate(rows):
        values[b, : len(row)] = torch.tensor(row)
        mask[b, : len(row)] = True
    return Batch([str(b) for b in range(len(rows))], {"text": values}, {"text": mask})


def test_own_tokens_come_first_as_the_encoder_gives_them() -> None:
    bert = encoder()
    live = LiveText(bert, None).eval()
    batch = tokens_of(ROWS, extra=2)
    with torch.no_grad():
        vectors, mask = live(batch.values["text"], batch.masks["text"])
        assert mask.sum(dim=1).tolist() == [3, 1, 2]
        for b, row in enumerate(ROWS):
            ids = torch.tensor([[token for token, _ in row]])
            hidden = bert(input_ids=ids).last_hidden_state[0]
            want = hidden[[t for t, (_, own) in enumerate(row) if own]]
            assert mask[b, : len(want)].all()
            torch.testing.assert_close(vectors[b, : len(want)], want, atol=1e-5, rtol=1e-5)


def test_a_row_without_own_tokens_is_masked_whole() -> None:
    batch = tokens_of([[(2, 0), (9, 0), (3, 0)], ROWS[0]])
    vectors, mask = LiveText(encoder(), None)(batch.values["text"], batch.masks["text"])
    assert not mask[0].any() and vectors.isfinite().all()


@pytest.mark.parametrize("junk", [0, 1])
def test_a_fine_tuned_network_gives_each_row_what_it_gives_alone(junk: int) -> None:
    torch.manual_seed(0)
    made = Network.from_config(config(None), {"text": (16,)}, 5, {"text": encoder()}).eval()
    with torch.no_grad():
        together = made(tokens_of(ROWS, extra=3, junk=junk), counterfactual=True, intention=True)
        for b, row in enumerate(ROWS):
            alone = made(tokens_of([row]), counterfactual=True, intention=True)
            for name in ("logits", "h_org", "h_cf", "logits_cf", "logits_intention"):
                many, one = getattr(together, name)[b], getattr(alone, name)[0]
                torch.testing.assert_close(many, one, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("finetune", "trained"), [(None, {0, 1, 2}), (1, {2}), (2, {1, 2})])
def test_only_the_top_layers_get_gradients(finetune: int | None, trained: set[int]) -> None:
    live = LiveText(encoder(), finetune)
    batch = tokens_of(ROWS)
    vectors, mask = live(batch.values["text"], batch.masks["text"])
    vectors[mask].square().sum().backward()
    found = {
        int(name.split("layer.")[1].split(".")[0])
        for name, parameter in live.named_parameters()
        if parameter.grad is not None and parameter.grad.any() and "layer." in name
    }
    assert found == trained
    embeddings = [p.grad for name, p in live.named_parameters() if "embeddings" in name]
    assert all((grad is not None) == (finetune is None) for grad in embeddings)


@pytest.mark.parametrize(("layer", "read"), [(None, [3]), (-1, [3]), ([1, -1], [1, 3])])
def test_the_layers_asked_for_are_read(layer: int | list[int] | None, read: list[int]) -> None:
    bert = encoder()
    made = Network.from_config(config(layer), {"text": (16,)}, 5, {"text": bert}).eval()
    (row,) = ROWS[1:2]
    batch = tokens_of([row])
    with torch.no_grad():
        vectors, mask = made.live["text"](batch.values["text"], batch.masks["text"])
        states = bert(input_ids=batch.values["text"][..., 0], output_hidden_states=True).hidden_states
    want = torch.stack([states[i] for i in read]).mean(dim=0)[0, 1:2]
    torch.testing.assert_close(vectors[mask], want, atol=1e-6, rtol=1e-6)


def test_layers_that_nothing_would_train_are_refused() -> None:
    with pytest.raises(InputError, match=r"-1 or 3"):
        Network.from_config(config([1, 2]), {"text": (16,)}, 5, {"text": encoder()})
