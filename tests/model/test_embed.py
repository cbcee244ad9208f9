"""Vectors from token embeddings: unit length, order kept, and the weights that SIF says."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from codelake.engine.errors import ModelError
from codelake.engine.tokenizer import save, train_bpe
from codelake.model.embed import RARE, Embedder


@pytest.fixture
def checkpoint(tmp_path):
    """A folder with a tokenizer and random embeddings, as a checkpoint has."""
    tokenizer = train_bpe(iter([["def alpha():\n    return beta\n", "gamma = 1\n"] * 20]), vocab_size=300)
    save(tokenizer, tmp_path / "tokenizer.json")
    table = np.random.default_rng(0).normal(size=(tokenizer.get_vocab_size(), 8)).astype(np.float32)
    save_file({"model.embed_tokens.weight": table}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return tmp_path


TEXTS = ["def alpha():", "gamma = 1", "", "return beta\n" * 3]


def test_vectors_are_unit_vectors_in_the_order_of_the_texts(checkpoint):
    embedder = Embedder(checkpoint)
    statistics = embedder.learn(TEXTS)
    vectors = embedder.encode(TEXTS, statistics)
    assert vectors.shape == (4, 8)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    for number, text in enumerate(TEXTS):
        np.testing.assert_array_equal(embedder.encode([text], statistics)[0], vectors[number])


def test_the_vector_is_the_papers_weighted_mean(checkpoint):
    embedder = Embedder(checkpoint)
    statistics = embedder.learn(TEXTS)
    p = statistics.counts / statistics.counts.sum()
    ids = embedder.tokenizer.encode_batch(["gamma = 1"])[0]
    total = sum(RARE / (RARE + p[i]) * embedder.table[i].astype(np.float64) for i in ids)
    expected = total / np.linalg.norm(total) - statistics.mean
    found = embedder.encode(["gamma = 1"], statistics)[0]
    np.testing.assert_allclose(found, expected / np.linalg.norm(expected), rtol=1e-4, atol=1e-6)


def test_counts_are_those_of_the_tokens(checkpoint):
    embedder = Embedder(checkpoint)
    statistics = embedder.learn(TEXTS)
    ids = np.concatenate(embedder.tokenizer.encode_batch(TEXTS))
    assert statistics.counts.sum() == len(ids)
    assert statistics.counts[ids[0]] == (ids == ids[0]).sum()


def test_nothing_can_be_learnt_from_nothing(checkpoint):
    embedder = Embedder(checkpoint)
    statistics = embedder.learn([])
    assert embedder.encode([], statistics).shape == (0, 8)
    np.testing.assert_array_equal(embedder.encode([""], statistics), np.zeros((1, 8), np.float32))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda p: (p / "model.safetensors").unlink(), "no model.safetensors"),
        (lambda p: (p / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0notjson!"), "cannot be read"),
        (lambda p: save_file({"other": np.zeros(1)}, p / "model.safetensors"), "embed_tokens"),
        (lambda p: save_file({"model.embed_tokens.weight": np.zeros((3, 8))}, p / "model.safetensors"), "3 embeddings"),
    ],
)
def test_a_folder_that_is_no_model_is_refused(checkpoint, spoil, said):
    spoil(checkpoint)
    with pytest.raises(ModelError, match=said):
        Embedder(checkpoint)
