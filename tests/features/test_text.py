from __future__ import annotations

import shutil

import numpy as np
import pytest
from sklearn.feature_extraction.text import HashingVectorizer

from tricue.config import TextFeatures
from tricue.features.text import HubText, LightText, Spoken, TokenText, text_extractor, with_context
from tricue.types import InputError, Utterance


def turn(
    number: int | None, text: str, speaker: str = "Ann", dialogue: str = "d", split="train"
) -> Utterance:
    name = f"{split}/{dialogue}/{number}/{text}"
    return Utterance(id=name, text=text, speaker=speaker, dialogue=dialogue, turn=number, split=split)


def hub(folder, **settings) -> HubText:
    extractor = text_extractor(TextFeatures(encoder=str(folder), **settings))
    assert isinstance(extractor, HubText)
    return extractor


def reference(folder, *texts: str, layer: int = -1) -> tuple[np.ndarray, np.ndarray]:
    """transformers called directly: (T, D) states of one input, and the sequence number of each token."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model = AutoModel.from_pretrained(str(folder), dtype=torch.float32).eval()
    coded = tokenizer(*texts, return_tensors="pt", padding=False, truncation=False)
    with torch.no_grad():
        states = model(**coded, output_hidden_states=True).hidden_states[layer][0].numpy()
    return states, np.array([-1 if s is None else s for s in coded.sequence_ids(0)])


# Context


def test_context_is_the_preceding_turns_of_the_same_dialogue_and_split():
    rows = [
        turn(2, "two", "Bob"),
        turn(0, "zero", "Ann"),
        turn(3, "three", "Cat"),
        turn(1, "one", "Bob"),
        turn(0, "elsewhere", dialogue="e"),
        turn(1, "other split", split="val"),
    ]
    spoken = {u.text: s for u, s in zip(rows, with_context(rows, 2), strict=True)}
    assert spoken["three"] == Spoken("three", "Cat: ", ("Bob: one", "Bob: two"))
    assert spoken["one"].context == ("Ann: zero",)
    assert spoken["zero"].context == spoken["elsewhere"].context == spoken["other split"].context == ()
    assert [s.prefix for s in with_context(rows, 0)] == [""] * 6


def test_a_turn_of_the_same_number_is_not_before():
    rows = [turn(1, "a"), turn(1, "b"), turn(2, "c")]
    assert [s.context for s in with_context(rows, 3)] == [(), (), ("Ann: a", "Ann: b")]


def test_without_turn_numbers_rows_stand_in_their_order():
    rows = [turn(None, "a"), turn(None, "b")]
    assert [s.context for s in with_context(rows, 3)] == [(), ("Ann: a",)]


def test_no_text_is_no_signal_and_no_context():
    rows = [turn(0, "a"), Utterance(id="x", dialogue="d", turn=1, split="train"), turn(2, "c")]
    assert with_context(rows, 2)[1] is None
    assert with_context(rows, 2)[2].context == ("Ann: a",)


# light


def test_light_is_sklearns_hashing_of_each_word():
    light = LightText(max_tokens=64)
    prepared = light.prepare(Spoken("Oh my god, he's lost it?!"))
    assert prepared == ["Oh", "my", "god", ",", "he's", "lost", "it", "?!"]
    (own,) = light.encode([prepared])
    hasher = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 4), n_features=256)
    np.testing.assert_allclose(own, hasher.transform(prepared).toarray(), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(own, axis=1), 1.0, rtol=1e-5)


def test_light_splits_by_utterance():
    light = LightText(max_tokens=3)
    arrays = light.encode([light.prepare(Spoken(text)) for text in ("a b", "", "one two three four")])
    assert [len(a) for a in arrays] == [2, 0, 3]
    assert [len(a) for a in light.encode([[], []])] == [0, 0]


# hub


@pytest.mark.parametrize("layer", [None, -1, 1, [0, 2]])
def test_hub_vectors_are_transformers_without_specials(tiny_bert, layer):
    text = "oh my god, he has lost it!"
    extractor = hub(tiny_bert, layer=layer)
    (own,) = extractor.encode([extractor.prepare(Spoken(text))])
    layers = [-1] if layer is None else layer if isinstance(layer, list) else [layer]
    states = np.mean([reference(tiny_bert, text, layer=i)[0] for i in layers], axis=0)
    np.testing.assert_allclose(own, states[1:-1], atol=1e-5)


@pytest.mark.parametrize("kind", ["tiny_bert", "tiny_distilbert"])
def test_a_mix_holds_every_layer_of_each_token(kind, request):
    folder, text = request.getfixturevalue(kind), "you are fine"
    extractor = hub(folder, layer="mix")
    (own,) = extractor.encode([extractor.prepare(Spoken(text))])
    assert extractor.dims == (16, 16, 16) and own.shape[1] == 48
    for layer in range(3):
        (alone,) = hub(folder, layer=layer).encode([extractor.prepare(Spoken(text))])
        np.testing.assert_allclose(own[:, 16 * layer : 16 * (layer + 1)], alone, atol=1e-6)
    assert extractor.settings != hub(folder).settings
    assert TokenText(extractor).dims == extractor.dims


def test_light_has_one_layer_whatever_is_asked_for():
    made = text_extractor(TextFeatures(encoder="light", layer="mix"))
    assert made.dims == (256,) and made.settings == LightText(128, 8).settings


def test_hub_with_context_keeps_the_utterances_own_words(tiny_bert):
    extractor = hub(tiny_bert, context=2, max_tokens=64)
    spoken = Spoken("you are fine", "Joey: ", ("Ross: what?", "Joey: really"))
    (own,) = extractor.encode([extractor.prepare(spoken)])
    states, sequences = reference(tiny_bert, "Ross: what?\nJoey: really", "Joey: you are fine")
    said = states[sequences == 1]
    alone = hub(tiny_bert).prepare(Spoken("you are fine")).own.sum()
    np.testing.assert_allclose(own, said[-alone:], atol=1e-5)


def test_truncation_takes_the_oldest_context_first_then_the_end(tiny_bert):
    full = hub(tiny_bert, context=2, max_tokens=64).prepare(
        Spoken("you are", "Joey: ", ("he has lost it", "really"))
    )
    for excess in range(1, 6):
        cut = hub(tiny_bert, context=2, max_tokens=len(full.ids) - excess).prepare(
            Spoken("you are", "Joey: ", ("he has lost it", "really"))
        )
        np.testing.assert_array_equal(cut.ids, np.delete(full.ids, np.arange(1, 1 + excess)))
        assert cut.own.sum() == full.own.sum()
    alone = hub(tiny_bert, max_tokens=8, max_windows=1).prepare(Spoken("he has lost it, you are so happy for me"))
    assert len(alone.ids) == 8 and alone.own.tolist() == [False, *[True] * 6, False]


def test_neighbours_change_nothing(tiny_bert):
    extractor = hub(tiny_bert)
    texts = ["what?", "I am so happy for you, really really happy", "you are fine", "oh " * 25]
    prepared = [extractor.prepare(Spoken(text)) for text in texts]
    for one, among in zip(prepared, extractor.encode(prepared), strict=True):
        np.testing.assert_allclose(extractor.encode([one])[0], among, rtol=1e-4, atol=1e-5)


def test_settings_decide_the_key_and_weights_are_among_them(tiny_bert):
    plain, deeper = hub(tiny_bert), hub(tiny_bert, layer=1)
    assert plain.settings != deeper.settings
    assert plain.settings["weights"] == deeper.settings["weights"]
    assert plain.dims == (16,)


def test_tokens_for_a_live_encoder(tiny_bert):
    extractor = hub(tiny_bert, context=1)
    spoken = Spoken("you are", "Joey: ", ("Ross: what?",))
    tokens, note = TokenText(extractor).tokens(spoken)
    assert note is None
    assert tokens.dtype == np.int32 and tokens.shape[1] == 2
    prepared = extractor.prepare(spoken)
    np.testing.assert_array_equal(tokens, np.stack([prepared.ids, prepared.own], 1))
    nothing, reason = TokenText(extractor).tokens(Spoken(""))
    assert nothing.shape == (0, 2) and reason == "its text holds no word"


def test_a_layer_that_is_not_there(tiny_bert):
    extractor = hub(tiny_bert, layer=7)
    with pytest.raises(InputError, match=r"features\.text\.layer=7.*0 to 2"):
        extractor.encode([extractor.prepare(Spoken("what?"))])


def test_an_encoder_without_its_vocabulary_is_refused(tiny_bert, tmp_path):
    """transformers would give it an empty one, to which every word is unknown."""
    for name in ("config.json", "model.safetensors"):
        shutil.copy(tiny_bert / name, tmp_path)
    with pytest.raises(InputError, match="no tokenizer there"):
        text_extractor(TextFeatures(encoder=str(tmp_path)))


def test_damaged_weights_are_named(tiny_bert, tmp_path):
    folder = tmp_path / "cut"
    shutil.copytree(tiny_bert, folder)
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])
    extractor = text_extractor(TextFeatures(encoder=str(folder)))
    with pytest.raises(InputError, match="cannot be loaded"):
        extractor.encode([extractor.prepare(Spoken("hello"))])


def test_more_tokens_than_positions(tiny_bert):
    with pytest.raises(InputError, match=r"max_tokens=129.*128"):
        hub(tiny_bert, max_tokens=129)


@pytest.mark.realdata
def test_minilm_equals_transformers(shared_model):
    folder = shared_model("minilm-l6")
    extractor = hub(folder, context=1)
    spoken = Spoken("Oh, my God, he's lost it!", "Joey: ", ("Chandler: Why do you think that?",))
    (own,) = extractor.encode([extractor.prepare(spoken)])
    states, sequences = reference(folder, spoken.context[0], spoken.prefix + spoken.text)
    np.testing.assert_allclose(own, states[sequences == 1][2:], atol=2e-4)  # "joey", ":" left out
