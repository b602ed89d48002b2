"""The network as a whole: nothing that should not matter to a sample's output does."""

import re
from functools import cache
from itertools import chain, combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tricue.config.load import load_config
from tricue.model.counterfactual import CounterfactualFeatures
from tricue.model.network import Network
from tricue.registry import MODALITIES
from tricue.types import Batch, ModalityName, Output

DIMS: dict[ModalityName, tuple[int, ...]] = {"text": (24,), "audio": (16, 9), "video": (20,)}
WIDTH: dict[ModalityName, int] = {modality: sum(parts) for modality, parts in DIMS.items()}
CLASSES = 5
SUBSETS = list(chain.from_iterable(combinations(MODALITIES, n) for n in (1, 2, 3)))
TOLERANCE = 1e-5
FEW: dict[ModalityName, list[int]] = {"text": [3, 6, 1, 4], "audio": [7, 2, 5, 1], "video": [2, 4, 3, 4]}

Lengths = dict[ModalityName, list[int]]
Samples = dict[ModalityName, list[torch.Tensor]]

lengths_1_to_7 = st.fixed_dictionaries(
    {modality: st.lists(st.integers(1, 7), min_size=4, max_size=4) for modality in MODALITIES}
)
junk_values = st.sampled_from([0.0, float("nan"), 1e30, -1e30, float("inf")])


@cache
def network(modalities: tuple[ModalityName, ...] = MODALITIES) -> Network:
    torch.manual_seed(0)
    config = load_config(None, {"model.width": 32, "model.bilstm_layers": 2, "modalities": list(modalities)})
    made = Network.from_config(config, {modality: DIMS[modality] for modality in modalities}, CLASSES).eval()
    with torch.no_grad():
        for parameter in made.parameters():  # zeros would hide what a learned vector does
            parameter.add_(0.05 * torch.randn(parameter.shape))
    return made


def samples_of(lengths: Lengths, seed: int = 0) -> Samples:
    generator = torch.Generator().manual_seed(seed)
    return {
        modality: [torch.randn(n, WIDTH[modality], generator=generator) for n in rows]
        for modality, rows in lengths.items()
    }


def collate(samples: Samples, extra: int = 0, junk: float = 0.0) -> Batch:
    """Padded to the longest plus `extra` steps; `junk` stands in every masked place."""
    values: dict[ModalityName, torch.Tensor] = {}
    masks: dict[ModalityName, torch.Tensor] = {}
    for modality, rows in samples.items():
        steps = max(1, *(len(row) for row in rows)) + extra
        values[modality] = torch.full((len(rows), steps, WIDTH[modality]), junk)
        masks[modality] = torch.zeros(len(rows), steps, dtype=torch.bool)
        for b, row in enumerate(rows):
            values[modality][b, : len(row)] = row
            masks[modality][b, : len(row)] = True
    ids = [str(b) for b, _ in enumerate(next(iter(samples.values())))]
    return Batch(ids, values, masks)


def run(batch: Batch, made: Network | None = None) -> Output:
    with torch.no_grad():
        return (made or network())(batch, counterfactual=True, intention=True)


def vectors(output: Output) -> torch.Tensor:
    """Everything the network says of a row, side by side: (B, 3 C + 2 d)."""
    parts = [output.logits, output.h_org, output.h_cf, output.logits_cf, output.logits_intention]
    return torch.cat([part for part in parts if part is not None], dim=1)


def assert_same(got: torch.Tensor, want: torch.Tensor) -> None:
    assert want.isfinite().all()
    torch.testing.assert_close(got, want, atol=TOLERANCE, rtol=TOLERANCE)


def take(samples: Samples, rows: list[int]) -> Samples:
    return {modality: [values[b] for b in rows] for modality, values in samples.items()}


def test_shapes_and_what_was_not_asked_for() -> None:
    batch = collate(samples_of(FEW))
    plain = network()(batch)
    assert plain.logits.shape == (4, CLASSES) and plain.h_org.shape == (4, 32)
    assert plain.h_cf is plain.logits_cf is plain.logits_intention is None
    full = run(batch)
    assert vectors(full).shape == (4, 3 * CLASSES + 2 * 32)
    assert_same(full.logits, plain.logits.detach())
    for modality in MODALITIES:
        steps = max(FEW[modality])
        assert [tuple(layer.shape) for layer in full.layers[modality]] == [(4, steps, 64)] * 2
        assert full.enhanced[modality].shape == (4, steps, 32)


def test_rows_differ() -> None:
    """So that the invariances below are not those of a constant."""
    output = run(collate(samples_of(FEW)))
    for part in (output.logits, output.h_org, output.h_cf, output.logits_cf, output.logits_intention):
        assert part is not None and (part[0] - part[1]).abs().max() > 100 * TOLERANCE


@settings(max_examples=12, deadline=None, derandomize=True)
@given(lengths=lengths_1_to_7, seed=st.integers(0, 99))
def test_a_sample_does_not_depend_on_its_batch(lengths: Lengths, seed: int) -> None:
    samples = samples_of(lengths, seed)
    together = run(collate(samples))
    for b in range(4):
        alone = run(collate(take(samples, [b])))
        assert_same(vectors(together)[b : b + 1], vectors(alone))
        for modality in MODALITIES:
            steps = lengths[modality][b]
            assert_same(together.enhanced[modality][b, :steps], alone.enhanced[modality][0])
            for many, one in zip(together.layers[modality], alone.layers[modality], strict=True):
                assert_same(many[b, :steps], one[0])


@settings(max_examples=12, deadline=None, derandomize=True)
@given(lengths=lengths_1_to_7, extra=st.integers(0, 5), junk=junk_values)
def test_padding_and_what_stands_there_change_nothing(lengths: Lengths, extra: int, junk: float) -> None:
    samples = samples_of(lengths)
    assert_same(vectors(run(collate(samples, extra, junk))), vectors(run(collate(samples))))


@pytest.mark.parametrize("junk", [float("nan"), 1e30])
def test_gradients_do_not_see_masked_places(junk: float) -> None:
    samples = samples_of(FEW)
    assert_gradients_equal(gradients(collate(samples, 2, junk)), gradients(collate(samples)))


def gradients(batch: Batch, made: Network | None = None) -> dict[str, torch.Tensor]:
    """Of a sum over all that the network says, by parameter; zeros where one took no part."""
    made = made or network()
    made.zero_grad(set_to_none=True)
    output = made(batch, counterfactual=True, intention=True)
    alone = [own[output.masks[m].any(dim=1)].square().sum() for m, own in output.auxiliary.items()]
    torch.stack([vectors(output).square().sum(), *alone]).sum().backward()
    found = {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in made.named_parameters()}
    made.zero_grad(set_to_none=True)
    assert all(grad.isfinite().all() for grad in found.values())
    return found


def assert_gradients_equal(got: dict[str, torch.Tensor], want: dict[str, torch.Tensor]) -> None:
    for name, grad in want.items():
        assert torch.allclose(got[name], grad, rtol=1e-3, atol=1e-4), name


@pytest.mark.parametrize("modalities", SUBSETS)
@pytest.mark.parametrize("steps", [None, 1, 3])
def test_any_subset_is_finite_and_the_same_however_a_modality_is_missing(
    modalities: tuple[ModalityName, ...], steps: int | None
) -> None:
    """No key in the batch, or a mask all False over `steps` steps of NaN."""
    samples = {modality: values for modality, values in samples_of(FEW).items() if modality in modalities}
    batch = collate(samples)
    want, want_gradients = vectors(run(batch)), gradients(batch)
    for modality in set(MODALITIES) - set(modalities):
        if steps is not None:
            batch.values[modality] = torch.full((4, steps, WIDTH[modality]), float("nan"))
            batch.masks[modality] = torch.zeros(4, steps, dtype=torch.bool)
    output = run(batch)
    assert vectors(output).isfinite().all()
    assert_same(vectors(output), want)
    assert_gradients_equal(gradients(batch), want_gradients)


@settings(max_examples=15, deadline=None, derandomize=True)
@given(present=st.lists(st.sampled_from(SUBSETS), min_size=4, max_size=4), junk=junk_values)
def test_rows_with_different_modalities_share_a_batch(present: list[tuple[ModalityName, ...]], junk: float) -> None:
    """Each row gives what it gives alone, in a batch where its missing modalities have no key."""
    samples = samples_of(FEW)
    mixed: Samples = {
        modality: [row if modality in present[b] else row[:0] for b, row in enumerate(samples[modality])]
        for modality in MODALITIES
    }
    together = vectors(run(collate(mixed, junk=junk)))
    for b in range(4):
        alone = {modality: values for modality, values in take(samples, [b]).items() if modality in present[b]}
        assert_same(together[b : b + 1], vectors(run(collate(alone))))


def test_each_modality_counts() -> None:
    """Two subsets of the same samples never give the same answer."""
    samples = samples_of(FEW)
    answers = [
        vectors(run(collate({modality: samples[modality] for modality in modalities}))) for modalities in SUBSETS
    ]
    for one, other in combinations(answers, 2):
        assert (one - other).abs().max() > 100 * TOLERANCE


@pytest.mark.parametrize("modalities", SUBSETS)
def test_training_mode_gives_finite_gradients_for_any_subset(modalities: tuple[ModalityName, ...]) -> None:
    torch.manual_seed(1)
    mixed = {
        modality: [row if b or modality not in modalities[1:] else row[:0] for b, row in enumerate(values)]
        for modality, values in samples_of(FEW).items()
        if modality in modalities
    }
    made = network().train()
    try:
        gradients(collate(mixed), made)  # asserts that all are finite
    finally:
        made.eval()


def test_every_parameter_gets_a_gradient_from_a_mixed_batch() -> None:
    """Rows with all modalities and rows that lack each one: nothing in the network is dead weight."""
    samples = samples_of(FEW)
    for row, modality in enumerate(MODALITIES):
        samples[modality][row] = samples[modality][row][:0]
    found = gradients(collate(samples))
    for name, _ in network().named_parameters():
        # a bias that shifts all scores alike cancels in the softmax: its gradient is 0 but for rounding
        cancels = name.endswith(("key.bias", "score.bias"))
        assert cancels or found[name].any(), name


@pytest.mark.parametrize("modalities", SUBSETS)
def test_a_network_builds_only_its_modalities(modalities: tuple[ModalityName, ...]) -> None:
    made = network(modalities)
    names = [name for name, _ in made.named_parameters()]
    for modality in set(MODALITIES) - set(modalities):
        assert not [name for name in names if modality in name]
    samples = {modality: values for modality, values in samples_of(FEW).items() if modality in modalities}
    output = run(collate(samples), made)
    assert vectors(output).isfinite().all()
    assert set(output.enhanced) == set(output.layers) == set(modalities)


@pytest.mark.parametrize(("mfcc", "spectral", "beside"), [(25, True, (34,)), (0, True, (9,)), (0, False, ())])
def test_layers_of_text_and_audio_are_mixed_before_all_else(mfcc: int, spectral: bool, beside: tuple[int, ...]) -> None:
    """The network of a mix is that of its mean, until it has learnt another."""
    torch.manual_seed(0)
    given = {
        "model.width": 32, "features.text.layer": "mix", "features.audio.layer": "mix",
        "features.audio.mfcc": mfcc, "features.audio.spectral": spectral,
    }  # fmt: skip
    dims: dict[ModalityName, tuple[int, ...]] = {"text": (6,) * 4, "audio": (8, 8, 8, *beside), "video": (5,)}
    made = Network.from_config(load_config(None, given), dims, CLASSES)
    assert {modality: (mix.layers, mix.width) for modality, mix in made.mixes.items()} == {
        "text": (4, 6),
        "audio": (3, 8),
    }
    widths = {modality: sum(parts) for modality, parts in dims.items()}
    values = {modality: torch.randn(4, 3, width) for modality, width in widths.items()}
    batch = Batch(list("abcd"), values, {modality: torch.ones(4, 3, dtype=torch.bool) for modality in MODALITIES})
    mixed = made.mixes["audio"](made.vectors(batch)[0]["audio"])
    torch.testing.assert_close(mixed[..., :8], values["audio"][..., :24].unflatten(-1, (3, 8)).mean(-2))
    assert torch.equal(mixed[..., 8:], values["audio"][..., 24:])
    assert made.statistics["audio"].linear.in_features == 2 * widths["audio"]  # of every layer
    found = gradients(batch, made)
    assert found["mixes.text.weights"].any() and found["mixes.audio.weights"].any()
    before = made.mixes["text"].weights.detach().clone()
    torch.optim.AdamW(made.parameters(), lr=0.1).step()  # without gradients: nothing
    made(batch, counterfactual=True, intention=True).logits.square().sum().backward()
    torch.optim.AdamW(made.parameters(), lr=0.1).step()
    assert not torch.equal(made.mixes["text"].weights, before)


def test_light_and_precomputed_features_are_not_layers_to_mix() -> None:
    """However `layer` stands in the settings: as every other number there, it is of the encoder that is not asked."""
    given = {
        "model.width": 32, "modalities": ["text", "audio"], "features.text.encoder": "light",
        "features.text.layer": "mix", "features.audio.layer": "mix", "features.audio.precomputed": "x.npz",
    }  # fmt: skip
    made = Network.from_config(load_config(None, given), {"text": (24,), "audio": (16,)}, CLASSES)
    assert not made.mixes


def built(**switches: object) -> Network:
    torch.manual_seed(0)
    given = {"model.width": 32, **{f"model.{name}": value for name, value in switches.items()}}
    return Network.from_config(load_config(None, given), DIMS, CLASSES).eval()


@pytest.mark.parametrize(
    ("switch", "where"),
    [
        ("gating", r"bilstms\.(text|audio|video)\.layers\.0\.gate\.(weight|bias)"),
        ("cross_attention", r"cross_attention\.((query|key|value)\.\w+\.weight|absent\.\w+_from_\w+)"),
    ],
)
def test_a_part_that_is_switched_off_takes_its_parameters_and_no_others(switch: str, where: str) -> None:
    """By default every part is there, and saying so changes no weight."""
    whole, same, less = built(), built(**{switch: True}), built(**{switch: False})
    weights = whole.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in same.state_dict().items())
    gone = set(weights) - set(less.state_dict())
    assert gone == {name for name in weights if re.fullmatch(where, name)} != set()
    assert set(less.state_dict()) < set(weights)


def test_without_statistics_the_fusion_reads_the_sequences_alone() -> None:
    whole, same, less = built(), built(statistics=True), built(statistics=False)
    shapes, left = ({name: own.shape for name, own in made.state_dict().items()} for made in (whole, less))
    assert all(torch.equal(whole.state_dict()[name], value) for name, value in same.state_dict().items())
    assert set(shapes) - set(left) == {name for name in shapes if name.startswith("statistics.")} != set()
    assert set(left) < set(shapes)
    narrower = {name.partition(".")[0] for name in left if left[name] != shapes[name]}
    assert narrower == {"absent", "auxiliary", "counterfactual", "fusion"}
    for modality in MODALITIES:
        assert 2 * len(less.absent[modality]) == len(whole.absent[modality]) == 4 * less.classifier.in_features


@pytest.mark.parametrize("switch", ["gating", "cross_attention", "statistics"])
def test_without_a_part_the_rest_is_alive(switch: str) -> None:
    """Rows with all modalities and rows that lack each one: finite, no dead weight."""
    samples = samples_of(FEW)
    for row, modality in enumerate(MODALITIES):
        samples[modality][row] = samples[modality][row][:0]
    made = built(**{switch: False})
    with torch.no_grad():
        for parameter in made.parameters():  # zeros would hide what a learned vector does
            parameter.add_(0.05 * torch.randn(parameter.shape))
    found = gradients(collate(samples, junk=float("nan")), made)
    cancels = ("key.bias", "score.bias")  # a bias that shifts all scores alike
    assert [name for name, grad in found.items() if not grad.any() and not name.endswith(cancels)] == []


def test_in_training_the_counterfactual_alone_parts_h_and_h_cf() -> None:
    """Whatever is dropped is dropped in both: features that it leaves as they are give the same H."""
    made = built(dropout=0.5, feature_dropout=0.5, fusion_dropout=0.5).train()
    batch = collate(samples_of(FEW))
    drawn = run(batch, made)
    assert drawn.h_cf is not None and not torch.equal(drawn.h_org, drawn.h_cf)
    with torch.no_grad():
        for logit in made.counterfactual.logit.values():
            logit.fill_(-1e4)  # a_m = 0
    once, again = run(batch, made), run(batch, made)
    assert once.h_cf is not None and torch.equal(once.h_org, once.h_cf)
    assert not torch.equal(once.h_org, again.h_org)


def mixture(made: Network) -> CounterfactualFeatures:
    return next(part for part in made.modules() if isinstance(part, CounterfactualFeatures))


def test_counterfactual_half_meets_the_original_as_its_share_goes_to_nought() -> None:
    """a_m = 0: cf_m = F_m, so H_cf = H_org through the same fusion and the same classifier."""
    made = network()
    kept = {modality: made_logit.detach().clone() for modality, made_logit in mixture(made).logit.items()}
    batch = collate(samples_of(FEW))
    assert (run(batch).h_cf - run(batch).h_org).abs().max() > 100 * TOLERANCE  # type: ignore[operator]
    try:
        with torch.no_grad():
            for logit in mixture(made).logit.values():
                logit.fill_(-100.0)
        output = run(batch)
        assert output.h_cf is not None and output.logits_cf is not None
        assert_same(output.h_cf, output.h_org)
        assert_same(output.logits_cf, output.logits)
    finally:
        with torch.no_grad():
            for modality, logit in mixture(made).logit.items():
                logit.copy_(kept[modality])


@pytest.mark.parametrize("modality", MODALITIES)
def test_an_absent_modality_is_its_own_counterfactual(modality: ModalityName) -> None:
    """The transformation of a modality that is not there has no say in H_cf."""
    batch = collate({other: rows for other, rows in samples_of(FEW).items() if other != modality})
    found = gradients(batch)
    block = mixture(network())
    own = {
        id(p)
        for part in (block.logit[modality], block.transform[modality])
        for p in ([part] if isinstance(part, nn.Parameter) else part.parameters())
    }
    for name, parameter in network().named_parameters():
        if id(parameter) in own:
            assert not found[name].any(), name


def test_a_row_without_any_modality_has_no_counterfactual_of_its_own() -> None:
    samples = samples_of(FEW)
    empty = {modality: [rows[0][:0], *rows[1:]] for modality, rows in samples.items()}
    output = run(collate(empty, junk=float("nan")))
    assert output.h_cf is not None and vectors(output).isfinite().all()
    assert_same(output.h_cf[:1], output.h_org[:1])


def test_widths_at_the_default_size_are_those_of_the_design() -> None:
    """d = 256: 1024 of each modality, fusion 3072-512-256, intention 512-256-128-C, pairs at 256, layers at 512."""
    settings = load_config(None)
    made = Network.from_config(settings.model_copy(update={"model": settings.model.settled(50_000)}), DIMS, 7)
    shapes = [(part.in_features, part.out_features) for part in made.modules() if isinstance(part, nn.Linear)]
    for wanted in [(3072, 512), (512, 256), (256, 7), (1024, 7), (512, 256), (256, 128), (128, 7), (768, 256)]:
        assert wanted in shapes
    assert {part.hidden_size for part in made.modules() if isinstance(part, nn.LSTM)} == {256}
    for logit in mixture(made).logit.values():
        assert torch.sigmoid(logit).item() == pytest.approx(0.12, abs=1e-6)
    output = made.eval()(collate(samples_of(FEW)))
    assert output.h_org.shape == (4, 256)
    assert [layer.shape[-1] for layer in output.layers["text"]] == [512] * 3
