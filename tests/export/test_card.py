"""The card says what was measured, no more, and the hub can read it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from tricue.checkpoint.checkpoint import Card
from tricue.evaluation.metrics_table import percent_with_interval
from tricue.export.licences import KNOWN
from tricue.export.measured import read_measured
from tricue.export.model_card import Made, front_matter, model_card
from tricue.recognizer import MultimodalEmotionRecognizer
from tricue.tasks.categorical import Categorical

Make = Callable[..., MultimodalEmotionRecognizer]
PLAIN = Made(half=False, onnx=True, rows=True, parameters=1_234_567)
AUDIT = {
    "verdict": "warn",
    "checks": {"texts": {"verdict": "warn", "found": "3 | of 9"}, "ids": {"verdict": "pass", "found": "none"}},
    "not_checked": {"probe": "left out"},
}


def results_of(run: Path, card: Card) -> list[dict[str, Any]]:
    return read_measured([run / "test", run / "val"], card)


def written(card: Card, results: list[dict[str, Any]], made: Made = PLAIN, name: str = "me/mine") -> str:
    return model_card(card, card.config.modalities, name, results, made)


def test_numbers_are_those_of_metrics_json(run: Path, card: Card) -> None:
    text = written(card, results_of(run, card))
    sections = text.split("### ")[1:3]
    for section, split in zip(sections, ("test", "val"), strict=True):
        metrics = json.loads((run / split / "metrics.json").read_text())
        assert section.startswith(f"GoEmotions, {split}\n")
        for number, heading in Categorical.numbers.items():
            assert metrics[number]["low"] is not None
            said = f"{heading} (mean recall of the classes)" if number == "uar" else heading
            assert f"| {said} | {percent_with_interval(metrics[number])} |" in section
        for emotion, numbers in metrics["per_class"].items():
            shown = [percent_with_interval(numbers[name]) for name in Categorical.item_numbers]
            assert f"| {emotion} | {' | '.join(shown)} | {numbers['support']} |" in section
        assert f"{metrics['calibration']['ece']:.3f} with it" in section
        worst = min(metrics["per_class"].items(), key=lambda item: item[1]["f1"]["value"])
        assert f"On GoEmotions {split} it is worst at {worst[0]} (F1 {percent_with_interval(worst[1]['f1'])}" in text
    assert "24 rows (test); protocol official; modalities: text." in sections[0]
    assert "val: chose the epochs, so its scores are too good" in sections[1]
    assert card.weights_sha256 and f"SHA-256 `{card.weights_sha256}`." in text


def test_a_calibration_of_no_answers(run: Path, card: Card) -> None:
    results = results_of(run, card)
    results[0]["calibration"] |= {"ece": None, "ece_uncalibrated": None, "rows": 0}
    first, second = written(card, results).split("### ")[1:3]
    assert "Calibration there: none, for no row had an answer.\nIntervals" in first
    assert "with it.\nIntervals" in second


def test_the_hub_reads_the_front_matter(run: Path, card: Card) -> None:
    data = ModelCard(written(card, results_of(run, card))).data
    assert data.license == "cc-by-4.0" and data.language == ["en"] and data.library_name == "tricue"
    assert data.datasets == ["google-research-datasets/go_emotions"] and data.pipeline_tag == "text-classification"
    assert data.tags == ["emotion-recognition", "text"] and data.model_name == "mine"
    metrics = json.loads((run / "test/metrics.json").read_text())
    expected = [metrics[name]["value"] for name in ("weighted_f1", "macro_f1", "accuracy")]
    assert [r.metric_value for r in data.eval_results] == pytest.approx(expected, abs=5e-5)
    assert {r.dataset_split for r in data.eval_results} == {"test"}  # val chose the epochs


def test_without_results_it_says_so(card: Card) -> None:
    text = written(card, [])
    assert "Not measured: no result of `tricue evaluate`" in text and "SHA-256" not in text
    data = ModelCard(text).data
    assert data.eval_results is None and "metrics" not in data.to_dict()


def test_another_corpus_is_named_as_such(run: Path, card: Card) -> None:
    (result, _) = results_of(run, card)
    assert "The model was not trained on this corpus." not in written(card, [result])
    assert "The model was not trained on this corpus." in written(card, [result | {"corpus": "MELD"}])


@pytest.mark.parametrize("terms", KNOWN, ids=lambda terms: terms.corpus)
def test_each_corpus_stands_there_with_its_licence_and_source(card: Card, terms: Any) -> None:
    text = written(replace(card, trained_on={"name": terms.corpus, "protocol": "official"}), [])
    row = next(line for line in text.splitlines() if line.startswith(f"| {terms.corpus} |"))
    assert terms.weights in row and all(f"]({source})" in row for source in terms.sources)
    assert ModelCard(text).data.license == terms.hub_licence
    named = "none that can be named" if terms.hub_licence == "other" else terms.hub_licence
    assert f"Licence of the weights: {named}" in text


def test_an_unknown_corpus_is_called_unknown(card: Card) -> None:
    text = written(replace(card, trained_on={"name": "my|own", "protocol": "official"}), [])
    assert "| my\\|own | unknown to tricue | Unknown: clear it yourself" in text
    assert ModelCard(text).data.license == "unknown"


def test_a_toy_model_is_marked_and_shows_the_hub_no_score(run: Path, card: Card) -> None:
    toy = replace(card, trained_on={"name": "toy", "protocol": "official"})
    text = written(toy, results_of(run, card))
    data = ModelCard(text).data
    assert "**Toy: trained on synthetic clips. Not for real use" in text.split("## How to run it")[0].replace("> ", "")
    assert "toy" in data.tags and data.eval_results is None and data.language is None
    assert "Other languages than" not in text


def test_a_leaky_model_is_marked(run: Path, make: Make) -> None:
    leaky = make({"data.protocol": "leaky", "data.name": "RAVDESS"}).card
    text = written(leaky, [])
    assert "**LEAKY. Trained under a protocol that copies rows" in text
    assert "leaky" in ModelCard(text).data.tags


def test_the_audit_verdict_and_what_did_not_pass(card: Card) -> None:
    text = written(replace(card, audit=AUDIT), [])
    assert "**Leakage audit of the splits: warn.**" in text
    assert "- texts (warn): 3 \\| of 9" in text and "- ids" not in text
    assert "Not looked at: probe (left out)." in text
    assert "**Leakage audit of the splits: not made.**" in written(replace(card, audit=None), [])


def test_the_law_and_the_limits_in_plain_words(card: Card, make: Make) -> None:
    text = " ".join(written(card, []).split())
    assert "**bans inferring the emotions of people at work and in education**" in text
    assert "Article 5(1)(f)" in text and "**the people exposed to it must be told** (Article 50(3))" in text
    assert "whether words alone fall under it is for you to find out" in text
    assert "what annotators called these utterances, not what the speakers felt" in text
    assert "Other languages than English" in text and "hiring, grading, credit" in text
    heard = " ".join(written(make({"modalities": ["audio"]}).card, []).split())
    assert "Article 5(1)(f)" in heard and "whether words alone" not in heard


def test_how_to_run_it(card: Card, make: Make) -> None:
    assert 'from_pretrained("me/mine")\nprint(model.predict("You did this for me?"))' in written(card, [])
    assert "# FOLDER: where these files lie\n" in written(card, [], name="mine")
    three = make({"modalities": ["text", "audio", "video"]}).card
    assert 'model.predict("You did this for me?", audio="clip.mp4", video="clip.mp4")' in written(three, [])
    assert "pipeline_tag" not in front_matter(three, ["text", "audio", "video"], "mine", [])
    given = make({"modalities": ["video"], "features.video.precomputed": "look.npz"}).card
    assert "It reads precomputed features alone" in written(given, [])


def test_encoders_with_their_licences(card: Card, make: Make) -> None:
    assert "| text | light | computed by tricue, nothing pretrained | none needed |" in written(card, [])
    base = replace(card, config=card.config.model_copy(deep=True))
    frozen = base.config.model_dump(mode="json")
    frozen["features"]["text"]["encoder"] = "SamLowe/roberta-base-go_emotions"
    tuned = replace(card, config=type(card.config)(**frozen), tuned={"text": "GoEmotions (MIT)"})
    text = written(tuned, [])
    row = "| text | SamLowe/roberta-base-go\\_emotions (was tuned for emotion on GoEmotions (MIT): a score"
    assert (
        row in text
        and "| frozen | mit |" in text
        and "are not among these files: they are fetched" in text.replace("\n", " ")
    )
    assert ModelCard(text).data.base_model == ["SamLowe/roberta-base-go_emotions"]


def test_what_the_files_are(card: Card) -> None:
    half = written(card, [], Made(half=True, onnx=False, rows=False, parameters=1))
    assert "the weights, in 16 bits" in half and "network.onnx" not in half and "rows.safetensors" not in half
    whole = written(card, [])
    assert "in 16 bits" not in whole and "`network.onnx`" in whole and "`rows.safetensors`" in whole
    assert "1,234,567 parameters" in whole


def test_epochs_are_counted_as_people_count(card: Card) -> None:
    assert f"Best epoch: {(card.epoch or 0) + 1} of phase 1." in written(card, [])
    last = card.config.model_copy(update={"training": card.config.training.model_copy(update={"select": "last"})})
    assert "Last epoch: 2 of phase 1." in written(replace(card, config=last, epoch=1), [])


def test_names_from_outside_cannot_write_markup(card: Card) -> None:
    odd = replace(card, emotions=["<script>", "[a](b)", "x\n# y"], trained_on={"name": "a|b\n## c", "protocol": "p"})
    text = written(odd, [])
    assert "\\<script\\>, \\[a\\](b), x \\# y" in text and "\n# y" not in text and "\n## c" not in text
    assert ModelCard(text).data.license == "unknown"
