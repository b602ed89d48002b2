"""Ten sentences of our own and what they ought to be called, written down before the model that comes with the package
was trained to its end; its answers, all ten, as they come. Ten sentences say nothing of how good it is.

    .venv/bin/python benchmarks/ten_sentences.py
"""

import argparse

from common import keep, shared

from tricue.recognizer import SHIPPED, MultimodalEmotionRecognizer

SENTENCES = (
    ("I got the job! I start on Monday, I can't stop smiling.", "joy"),
    ("He read my diary out loud in front of everybody, how dare he.", "anger"),
    ("Since she moved away the house feels so empty.", "sadness"),
    ("There is somebody on the stairs and I live alone.", "fear"),
    ("The milk had lumps in it and I had already drunk half the glass.", "disgust"),
    ("Wait, you two are married? Since when?", "surprise"),
    ("The train to Leeds leaves from platform four.", "neutral"),
    ("Oh great, another meeting about meetings.", "anger"),  # sarcasm
    ("I am not happy about this at all.", "anger"),  # negation
    ("Thanks for staying with me tonight, it meant a lot.", "joy"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", default=None, help="by default the copy beside the repository")
    args = parser.parse_args()
    encoder = args.encoder or str(shared("models/minilm-l6"))
    model = MultimodalEmotionRecognizer.from_pretrained(SHIPPED, overrides={"features.text.encoder": encoder})
    answers = model.predict_batch([sentence for sentence, _ in SENTENCES])
    rows = [
        {"sentence": sentence, "expected": expected, "said": answer.emotion, "confidence": answer.confidence,
         "probability_of_expected": answer.probabilities[expected]}
        for (sentence, expected), answer in zip(SENTENCES, answers, strict=True)
    ]  # fmt: skip
    keep("ten_sentences", {"as_expected": sum(row["said"] == row["expected"] for row in rows), "rows": rows})


if __name__ == "__main__":
    main()
