"""What tests of several rooms share.

Every property test is deterministic and judged by what it finds, never by how long a busy machine takes.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("tricue", deadline=None, derandomize=True)
settings.load_profile("tricue")


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 2 layers, width 16, with a WordPiece tokenizer trained on a few sentences."""
    import torch
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-bert")
    words = ["oh my god, he has lost it!", "Ross: what? Joey: you are fine.", "I am so happy for you, really"]
    trained = BertWordPieceTokenizer()
    trained.train_from_iterator(words, vocab_size=120, show_progress=False)
    trained.save_model(str(folder))
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"))
    torch.manual_seed(0)
    shape = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=128,
    )  # fmt: skip
    BertModel(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
