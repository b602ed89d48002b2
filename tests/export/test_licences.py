"""What the weights may be used for follows from all that they were made from."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from tricue.checkpoint.checkpoint import Card
from tricue.config.load import load_config
from tricue.export.licences import ENCODERS, KNOWN, RANK, check_rights, corpora_of, hub_licence, terms_of
from tricue.registry import CORPORA, MODALITIES
from tricue.types import InputError


def trained_on(name: str, **more: Any) -> Card:
    return Card(load_config(None, {}), ["joy"], {}, [1.0], trained_on={"name": name} | more)


def test_every_corpus_with_a_reader_has_its_terms() -> None:
    known = {terms.corpus for terms in KNOWN}
    assert set(CORPORA) - {"folder"} == known  # one's own folder: tricue cannot know
    for terms in KNOWN:
        assert terms.licence and terms.weights and terms.hub_licence in RANK
        assert terms.sources and all(source.startswith("https://") for source in terms.sources)
    assert set(ENCODERS.values()) <= set(RANK)
    assert {MODALITIES[name].Settings.preset for name in MODALITIES} <= set(ENCODERS)


def test_goemotions_states_both_licences() -> None:
    licence = terms_of("goemotions").licence
    assert "CC BY 4.0" in licence and "Apache-2.0" in licence


@pytest.mark.parametrize(
    ("name", "licence"),
    [
        ("GoEmotions", "cc-by-4.0"),
        ("MELD", "other"),
        ("IEMOCAP", "other"),
        ("RAVDESS", "cc-by-nc-sa-4.0"),
        ("CREMA-D", "odbl"),
        ("toy", "mit"),
        ("crema-d+RAVDESS", "cc-by-nc-sa-4.0"),  # the one that asks for more
        ("GoEmotions+mine", "unknown"),
        ("", "unknown"),
    ],
)
def test_the_licence_is_that_of_the_strictest(name: str, licence: str) -> None:
    assert hub_licence(trained_on(name)) == licence


def test_what_a_run_started_from_counts() -> None:
    before = {"name": "IEMOCAP", "started_from": {"name": "toy"}}
    card = trained_on("GoEmotions", started_from=before)
    assert [terms.corpus for terms in corpora_of(card)] == ["GoEmotions", "IEMOCAP", "toy"]
    with pytest.raises(InputError, match=r"trained on IEMOCAP: .*release form.*--rights_cleared"):
        check_rights(card, cleared=False)


def test_without_a_record_the_settings_tell() -> None:
    card = Card(load_config(None, {"data.name": "RAVDESS"}), ["joy"], {}, [1.0])
    assert [terms.corpus for terms in corpora_of(card)] == ["RAVDESS"]


def test_a_fine_tuned_encoder_is_among_the_weights() -> None:
    settings = load_config(None, {"model.finetune": "all", "modalities": ["text"]})
    card = replace(trained_on("toy"), config=settings, began_as={"text": "SamLowe/roberta-base-go_emotions"})
    assert hub_licence(card) == "mit"
    assert hub_licence(replace(card, began_as={"text": "someone/else"})) == "unknown"
    frozen = load_config(None, {"features.text.encoder": "someone/else"})
    assert hub_licence(replace(card, config=frozen, began_as={})) == "mit"


def test_iemocap_is_refused_until_somebody_says_that_it_is_cleared(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(InputError, match=r"https://sail\.usc\.edu"):
        check_rights(trained_on("IEMOCAP"), cleared=False)
    with caplog.at_level(logging.WARNING):
        check_rights(trained_on("IEMOCAP"), cleared=True)
    assert "Trained on IEMOCAP" in caplog.text


@pytest.mark.parametrize(
    ("name", "warned"),
    [("MELD", "Friends"), ("mine", "unknown to tricue"), ("GoEmotions", ""), ("RAVDESS", ""), ("toy", "")],
)
def test_unclear_rights_are_warned_of(name: str, warned: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check_rights(trained_on(name), cleared=False)
    assert warned in caplog.text and bool(caplog.text) == bool(warned)
