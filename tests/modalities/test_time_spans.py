"""What each time step of a modality is: as many as there are, named as they were cut."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tricue.config.feature_settings import FeaturesConfig, TextFeatures, VideoFeatures
from tricue.config.load import load_config
from tricue.extractors.audio_extractors import stretches
from tricue.extractors.text_extractors import HubText, LightText, Spoken
from tricue.extractors.video_extractors import frame_moments, key_frames
from tricue.features.extract import extract
from tricue.media.decoding import MediaError, decode
from tricue.registry import MODALITIES
from tricue.types import Moment, Utterance

SAID = "Oh my god, he's really  lost it?! Unbelievably so…"
WORDS = ["Oh", "my", "god", ",", "he's", "really", "lost", "it", "?!", "Unbelievably", "so", "…"]


def light(**settings: Any) -> FeaturesConfig:
    encoders = {f"features.{modality}.encoder": "light" for modality in MODALITIES}
    return load_config(None, encoders | settings).features


def saved(tokenizer: Any, folder: Path, **specials: str) -> Path:
    """A tokenizer as a folder that transformers reads; no weights are needed to cut words."""
    from transformers import PreTrainedTokenizerFast

    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **specials).save_pretrained(folder)
    (folder / "config.json").write_text('{"model_type": "roberta"}')
    return folder


@pytest.fixture(scope="session")
def byte_level(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RoBERTa's kind: bytes, the space belongs to the word behind it; <s> and </s> around one and between two."""
    from tokenizers import ByteLevelBPETokenizer, processors

    trained = ByteLevelBPETokenizer(add_prefix_space=False)
    trained.train_from_iterator([SAID, "Ross: you are fine"], vocab_size=290, show_progress=False,
                                special_tokens=["<s>", "</s>", "<pad>"])  # fmt: skip
    trained._tokenizer.post_processor = processors.RobertaProcessing(("</s>", 1), ("<s>", 0), True, False)
    folder = tmp_path_factory.mktemp("byte-level")
    return saved(trained._tokenizer, folder, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


@pytest.fixture(scope="session")
def metaspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """XLM-R's kind: words end at spaces alone, a token begins with the space before it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    trained = Tokenizer(models.Unigram())
    trained.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=60, special_tokens=["<s>", "</s>", "<pad>", "<unk>"],
                                      unk_token="<unk>", show_progress=False)  # fmt: skip
    trained.train_from_iterator([SAID, "Ross: you are fine"] * 3, trainer)
    trained.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    folder = tmp_path_factory.mktemp("metaspace")
    return saved(trained, folder, bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>")


def by_hand(extractor: HubText, spoken: Spoken) -> list[tuple[str, int]]:
    """Words with their tokens, one character after the other: a token is of the word that its last character is of."""
    import re

    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(extractor.folder))
    coded = tokenizer(spoken.prefix + spoken.text, return_offsets_mapping=True, add_special_tokens=False)
    word_at = {}
    for number, word in enumerate(re.finditer(r"\w+(?:'\w+)*|[^\w\s]+", spoken.text)):
        word_at |= {len(spoken.prefix) + i: (number, word.group()) for i in range(*word.span())}
    counts: dict[tuple[int, str], int] = {}
    for _, end in coded["offset_mapping"]:
        at = end - 1
        while at >= len(spoken.prefix) and at not in word_at:
            at -= 1
        if end > len(spoken.prefix):
            word = word_at.get(at, (0, next(iter(word_at.values()))[1]))
            counts[word] = counts.get(word, 0) + 1
    return [(text, n) for (_, text), n in sorted(counts.items())]


@pytest.mark.parametrize("kind", ["tiny_bert", "byte_level", "metaspace"])
@pytest.mark.parametrize("prefix", ["", "Ross: "])
def test_words_of_a_hub_encoder_hold_all_of_its_tokens(kind: str, prefix: str, request: pytest.FixtureRequest) -> None:
    folder = request.getfixturevalue(kind)
    extractor = HubText(folder, TextFeatures(encoder=str(folder)))
    for context in ((), ("Joey: you are fine",)):
        spoken = Spoken(SAID, prefix, context)
        moments = extractor.moments(spoken)
        assert sum(m.steps for m in moments) == extractor.prepare(spoken).own.sum()
        assert [(m.label, m.steps) for m in moments] == by_hand(extractor, spoken)
        assert [m.label for m in moments] == WORDS
        assert max(m.steps for m in moments) > 1


@pytest.mark.parametrize("longest", [8, 9, 12])
def test_words_that_are_cut_off_have_no_steps(byte_level: Path, longest: int) -> None:
    cut = HubText(byte_level, TextFeatures(encoder=str(byte_level), max_tokens=longest, max_windows=1))
    whole = HubText(byte_level, TextFeatures(encoder=str(byte_level)))
    moments, all_of_it = cut.moments(Spoken(SAID)), whole.moments(Spoken(SAID))
    assert sum(m.steps for m in moments) == longest - 2  # <s> and </s> stay
    assert [m.label for m in moments] == WORDS[: len(moments)]
    assert moments[:-1] == all_of_it[: len(moments) - 1] and moments[-1].steps <= all_of_it[len(moments) - 1].steps
    assert cut.prepare(Spoken(SAID)).own.sum() == longest - 2


def test_words_of_the_light_extractor_are_its_steps() -> None:
    for longest in (64, 4):
        extractor = LightText(longest)
        moments = extractor.moments(Spoken(SAID, "Ross: ", ("Joey: no",)))
        assert moments == [Moment(word) for word in WORDS[:longest]]
        (array,) = extractor.encode([extractor.prepare(Spoken(SAID))])
        assert len(moments) == len(array)


def test_real_tokenizer(shared_model: Any) -> None:
    folder = shared_model("minilm-l6")
    extractor = HubText(folder, TextFeatures(encoder=str(folder)))
    moments = extractor.moments(Spoken("Unbelievably, I'm cross-eyed!"))
    assert [m.label for m in moments] == ["Unbelievably", ",", "I'm", "cross", "-", "eyed", "!"]
    assert [m.steps for m in moments][1:3] == [1, 3]  # i ' m


def test_stretches_of_sound_by_hand() -> None:
    moments = stretches(3, 4.0, begin=90.5)
    assert [(m.start, m.end) for m in moments] == [(90.5, 90.75), (90.75, 91.0), (91.0, 91.25)]
    assert moments[0].label == "90.50-90.75 s"


def test_a_clip_of_all_modalities(make_clip: Any, tmp_path: Path) -> None:
    """The light extractors' arrays, and the moments of a part of a file, end to end."""
    clip = make_clip(frames=24, fps=12, sound=2.0)
    row = Utterance("a", SAID, clip, clip, start=0.5, end=1.5)
    config = light(**{"features.video.frames": 4, "features.audio.rate_hz": 10})
    features = extract([row], config, MODALITIES, tmp_path / "store", progress=False)
    steps = {modality: len(features.arrays[modality]["a"]) for modality in MODALITIES}
    moments = {m: MODALITIES[m].find_time_spans(row, n, config[m]) for m, n in steps.items()}
    assert {modality: len(own) for modality, own in moments.items()} == steps == {"text": 12, "audio": 10, "video": 4}
    assert [m.label for m in moments["text"]] == WORDS
    assert (moments["audio"][0].start, moments["audio"][-1].end) == pytest.approx((0.5, 1.5))
    assert [(m.label, m.start, m.end) for m in moments["video"]][1] == ("frame 2 of 4", 0.75, 1.0)


def test_key_frames_are_those_that_the_extractor_reads(make_clip: Any) -> None:
    clip = make_clip(frames=24, fps=12, sound=None)
    config = VideoFeatures(encoder="light", frames=5)
    row = Utterance("a", video=clip, start=0.5, end=1.9, crop="left")
    frames = key_frames(row, config)
    wanted = decode(clip, start=0.5, end=1.9, audio=False, frames=5, crop="left").frames
    assert wanted is not None and len(frames) == 5
    np.testing.assert_array_equal(np.stack(frames), np.stack(wanted))
    assert key_frames(Utterance("b"), config) == []


def test_a_file_that_ends_before_its_row_does(make_clip: Any) -> None:
    clip = make_clip(frames=24, fps=12, sound=None)
    row = Utterance("a", video=clip, start=1.0, end=9.0)
    assert frame_moments(row, 4, VideoFeatures(encoder="light", frames=4))[-1].end == pytest.approx(2.0)


def test_frames_without_times(make_clip: Any) -> None:
    """Fewer pictures than parts: which part a picture is of is not known any more."""
    row = Utterance("a", video=make_clip(frames=3, fps=12, sound=None))
    moments = frame_moments(row, 3, VideoFeatures(encoder="light", frames=8))
    assert moments == [Moment("frame 1 of 3"), Moment("frame 2 of 3"), Moment("frame 3 of 3")]


def test_a_clip_that_is_gone_leaves_its_frames_without_times(tmp_path: Path) -> None:
    row, config = Utterance("a", video=tmp_path / "gone.mp4"), light(**{"features.video.frames": 2})
    spans = MODALITIES["video"].find_time_spans(row, 2, config.video)
    assert spans == [Moment("frame 1 of 2"), Moment("frame 2 of 2")]
    with pytest.raises(MediaError, match=r"gone\.mp4"):
        key_frames(row, config.video)


def test_features_of_other_words_are_refused() -> None:
    with pytest.raises(ValueError, match="a: its text makes 12 time steps; the features have 3"):
        MODALITIES["text"].find_time_spans(Utterance("a", SAID), 3, light().text)
