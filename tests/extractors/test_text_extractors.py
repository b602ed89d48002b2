import shutil
from dataclasses import replace

import numpy as np
import pytest
from sklearn.feature_extraction.text import HashingVectorizer

from tricue.config.feature_settings import FeaturesConfig, TextFeatures
from tricue.extractors.text_extractors import HubText, LightText, Spoken, TokenText, text_extractor, with_context
from tricue.features.extract import extract
from tricue.types import MAX_TEXT_CHARACTERS, InputError, Utterance


def turn(number: int | None, text: str, speaker: str = "Ann", dialogue: str = "d", split="train") -> Utterance:
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
    assert TokenText.of(extractor).dims == extractor.dims


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
    full = hub(tiny_bert, context=2, max_tokens=64).prepare(Spoken("you are", "Joey: ", ("he has lost it", "really")))
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
    live = TokenText.of(extractor)
    (tokens,) = live.encode([live.prepare(spoken)])
    assert live.note(spoken, live.prepare(spoken)) is None
    assert tokens.dtype == np.int32 and tokens.shape[1] == 2
    prepared = extractor.prepare(spoken)
    np.testing.assert_array_equal(tokens, np.stack([prepared.ids, prepared.own], 1))
    empty = live.prepare(Spoken(""))
    assert live.encode([empty])[0].shape == (0, 2) and live.note(Spoken(""), empty) == "its text holds no word"


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


# long_text


def words(count: int) -> str:
    return " ".join(["oh my god", "he has lost it", "you are fine", "I am so happy"][i % 4] for i in range(count))


def test_a_long_text_is_read_in_windows_that_share_a_quarter(tiny_bert):
    """Each token's vector is transformers' own for the window in which it has more context."""
    text = words(14)
    extractor = hub(tiny_bert, max_tokens=16, max_windows=20)
    prepared = extractor.prepare(Spoken(text))
    ids = reference(tiny_bert, text)[1]
    assert prepared.total == prepared.count() == (ids >= 0).sum() > 40
    assert all(len(window.ids) <= 16 for window in prepared.windows)
    whole = hub(tiny_bert, max_tokens=128).prepare(Spoken(text))
    np.testing.assert_array_equal(np.concatenate([w.ids[w.own] for w in prepared.windows]), whole.ids[whole.own])
    second = prepared.windows[1]
    np.testing.assert_array_equal(second.ids[1:-1], whole.ids[1 + 10 : 1 + 10 + 14])  # 14 fit, 4 are shared
    assert prepared.windows[0].own.tolist() == [False, *[True] * 12, False, False, False]
    assert second.own.tolist() == [False, False, False, *[True] * 10, False, False, False]
    (own,) = extractor.encode([prepared])
    alone = [extractor.encode([replace(w, own=w.own, more=())])[0] for w in prepared.windows]
    np.testing.assert_allclose(own, np.concatenate(alone), atol=1e-5)
    assert extractor.note(Spoken(text), prepared) is None


def test_every_token_is_given_once(tiny_bert):
    extractor = hub(tiny_bert, max_tokens=8, max_windows=50)
    for length in range(1, 40):
        prepared = extractor.prepare(Spoken("! " * length))
        assert prepared.count() == prepared.total == length
        assert (np.diff(np.concatenate([w.ends[w.own] for w in prepared.windows])) > 0).all()


def test_a_text_that_fits_is_read_as_ever(tiny_bert):
    text = words(8)
    states, sequences = reference(tiny_bert, text)
    extractor = hub(tiny_bert, max_tokens=len(sequences))
    prepared = extractor.prepare(Spoken(text))
    assert prepared.more == ()
    np.testing.assert_allclose(extractor.encode([prepared])[0], states[sequences == 0], atol=1e-5)


def test_what_goes_beyond_the_windows_is_noted(tiny_bert):
    extractor = hub(tiny_bert, max_tokens=16, max_windows=2)
    prepared = extractor.prepare(Spoken(words(20)))
    assert prepared.count() == 24
    assert extractor.note(Spoken(words(20)), prepared) == "longer than 24 tokens: only its beginning is read"
    light = LightText(3, 2)
    assert light.prepare(Spoken("a b c d e f g")) == ["a", "b", "c", "d", "e", "f"]
    assert "longer than 6 words" in light.note(Spoken("a b c d e f g"), list("abcdef"))
    assert light.note(Spoken("a b c"), list("abc")) is None


def test_text_is_cut_before_the_tokenizer(tiny_bert, caplog):
    (spoken,) = with_context([turn(0, "oh " * 2_000_000)], 0)
    assert len(spoken.text) <= MAX_TEXT_CHARACTERS and spoken.cut
    (later,) = with_context([turn(1, "x")], 1, [turn(0, "oh " * 2_000_000), turn(1, "x")])
    assert len(later.context[0]) <= MAX_TEXT_CHARACTERS + len("Ann: ")
    extractor = hub(tiny_bert)
    with caplog.at_level("WARNING"):
        assert "only its beginning" in extractor.note(spoken, extractor.prepare(spoken))
    assert not caplog.records  # transformers' own warning misleads
    assert "10,000 characters" in LightText(10_000, 8).note(spoken, LightText(10_000, 8).prepare(spoken))


def test_moments_of_a_long_text_are_its_words(tiny_bert):
    extractor = hub(tiny_bert, max_tokens=16, max_windows=20)
    spoken = Spoken(words(14), "Joey: ", ("Ross: what?",))
    moments = extractor.moments(spoken)
    assert [m.label for m in moments] == spoken.text.split()
    assert sum(m.steps for m in moments) == extractor.prepare(spoken).count()


def test_a_live_encoder_reads_the_first_window(tiny_bert):
    extractor = hub(tiny_bert, max_tokens=16)
    live = TokenText.of(extractor)
    prepared = live.prepare(Spoken(words(14)))
    (tokens,) = live.encode([prepared])
    assert len(tokens) == 16 and tokens[:, 1].sum() == 14
    assert "longer than 14 tokens" in str(live.note(Spoken(words(14)), prepared))
    assert sum(m.steps for m in live.moments(Spoken(words(14)))) == 14


def test_notes_reach_the_feature_set_and_the_store(tiny_bert, tmp_path):
    config = FeaturesConfig(text=TextFeatures(encoder=str(tiny_bert), max_tokens=16, max_windows=2))
    rows = [turn(0, words(30)), turn(1, "you are fine"), turn(2, "ฉันมี")]
    for _ in range(2):  # the second time from the store
        found = extract(rows, config, ["text"], tmp_path, progress=False)
        assert [note.id for note in found.notes] == [rows[0].id] and "24 tokens" in found.notes[0].reason
        assert [fault.id for fault in found.faults] == [rows[2].id]
        assert len(found.arrays["text"][rows[0].id]) == 24
    live = extract(rows, config, ["text"], tmp_path, live={"text": "all"}, progress=False)
    assert "14 tokens" in live.notes[0].reason and live.faults == found.faults


# unknown_tokens


@pytest.mark.parametrize("text", ["😡😡😡", "♪", "ฉันมีความสุขมาก", "♪ ♪"])
def test_a_text_of_which_no_token_is_known_is_no_usable_input(tiny_bert, text):
    extractor = hub(tiny_bert)
    prepared = extractor.prepare(Spoken(text))
    assert prepared.count() == 0 and extractor.encode([prepared])[0].shape == (0, 16)
    assert extractor.note(Spoken(text), prepared) == "no word of its text is known to the encoder"
    assert TokenText.of(extractor).encode([prepared])[0].shape == (0, 2)
    assert extractor.moments(Spoken(text)) == []


def test_an_emoji_takes_no_word_with_it(tiny_bert):
    extractor = hub(tiny_bert)
    tokens = extractor.prepare(Spoken("you are fine😡"))
    known = extractor.prepare(Spoken("you are fine"))
    np.testing.assert_array_equal(tokens.ids[:-2], known.ids[:-1])
    assert tokens.unknown == 1 and extractor.note(Spoken("you are fine😡"), tokens) is None
    assert [m.label for m in extractor.moments(Spoken("fine😡you"))] == ["fine", "😡", "you"]


def test_mostly_unknown_is_noted(tiny_bert):
    extractor, spoken = hub(tiny_bert), Spoken("! ฉัน มี ความ")
    note = extractor.note(spoken, extractor.prepare(spoken))
    assert note == "3 of its 4 tokens are unknown to the encoder"


def test_an_encoder_of_bytes_knows_every_text(tmp_path):
    """As RoBERTa's: nothing is set apart, nothing refused."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaConfig, RobertaModel, RobertaTokenizerFast

    trained = ByteLevelBPETokenizer()
    trained.train_from_iterator(["oh my god"], vocab_size=300, show_progress=False,
                                special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"])  # fmt: skip
    trained.save_model(str(tmp_path))
    tokenizer = RobertaTokenizerFast(str(tmp_path / "vocab.json"), str(tmp_path / "merges.txt"))
    tokenizer.save_pretrained(tmp_path)
    RobertaModel(
        RobertaConfig(vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                      intermediate_size=16, max_position_embeddings=130)
    ).save_pretrained(tmp_path)  # fmt: skip
    extractor = hub(tmp_path)
    prepared = extractor.prepare(Spoken("sad😡"))
    assert prepared.count() == prepared.total == 3 + len("😡".encode()) and prepared.unknown == 0
    assert extractor.note(Spoken("sad😡"), prepared) is None


def test_half_a_surrogate_is_a_replacement_character():
    (spoken, pair) = with_context([turn(0, "oops \ud83d"), turn(1, "\ud83d\ude21")], 0)
    assert spoken.text == "oops \ufffd" and pair.text == "😡"


@pytest.mark.realdata
def test_a_sad_end_moves_the_answer_of_a_long_text(shared_model):
    from tricue.recognizer import SHIPPED, MultimodalEmotionRecognizer

    encoder = {"features.text.encoder": str(shared_model("minilm-l6"))}
    model = MultimodalEmotionRecognizer.from_pretrained(SHIPPED, overrides=encoder, device="cpu")
    long = "The bus leaves the station at nine and the table is in the second room. " * 12
    plain, sad = model.predict_batch([(long, None, None), (f"{long} I am so terribly sad, my mother died and I cannot "
                                     "stop crying.", None, None)])  # fmt: skip
    assert plain.emotion == "neutral" and sad.probabilities["sadness"] > 0.4 > 0.05 > plain.probabilities["sadness"]
