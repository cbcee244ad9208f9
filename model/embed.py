"""Text to vectors with a trained language model: a weighted mean of its token embeddings.

Rare tokens count for more and the direction all texts share is taken out (SIF: Arora, Liang, Ma, "A Simple but
Tough-to-Beat Baseline for Sentence Embeddings", ICLR 2017). For models that only learnt to predict the next token this
finds several times better than the mean of their last hidden states, and needs no forward pass
(docs/decisions/0007-embeddings-without-training.md). An embedder trained for retrieval comes with its own issue.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from ..engine.errors import ModelError
from ..engine.tokenizer import LoadedTokenizer
from ..engine.tokenizer import load as load_tokenizer

# The paper's a: a token of frequency p weighs a / (a + p).
RARE = 1e-3
# Tokens after these are left out; chunks hold about 400.
MAX_TOKENS = 1024
_WEIGHT = "model.embed_tokens.weight"

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Statistics:
    """What is known of a corpus: how often each token stands in it, and the mean of its vectors."""

    counts: npt.NDArray[np.int64]
    mean: Vectors


class Embedder:
    """A model's token embeddings and its tokenizer as a function from texts to unit vectors [N, dim], float32.

    checkpoint: a folder with model.safetensors and tokenizer.json, as `codelake train` and Hugging Face write. `sha256`
    names the weights. Raises ModelError if the folder holds no such model.
    """

    def __init__(self, checkpoint: Path) -> None:
        weights = checkpoint / "model.safetensors"
        if not weights.is_file():
            raise ModelError(f"{checkpoint}: no model.safetensors there; name a checkpoint folder of `codelake train`")
        self.checkpoint = checkpoint
        self.tokenizer: LoadedTokenizer = load_tokenizer(checkpoint / "tokenizer.json")
        self.sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
        try:
            with safe_open(weights, framework="np") as tensors:
                self.table: Vectors = tensors.get_tensor(_WEIGHT).astype(np.float32)
        except (SafetensorError, TypeError) as error:
            raise ModelError(f"{weights}: its {_WEIGHT} cannot be read: {error}") from error
        if len(self.table) < self.tokenizer.vocab_size:
            raise ModelError(f"{checkpoint}: {len(self.table)} embeddings for {self.tokenizer.vocab_size} tokens")

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self.table.shape[1])

    def learn(self, texts: Sequence[str]) -> Statistics:
        """The statistics of a corpus from a part of it."""
        ids = self._ids(texts)
        counts = np.bincount(np.concatenate([np.empty(0, np.int64), *ids]), minlength=len(self.table))
        rough = Statistics(counts, np.zeros(self.dim, np.float32))
        vectors = self._encode(ids, rough)
        return Statistics(counts, vectors.mean(axis=0) if len(vectors) else rough.mean)

    def encode(self, texts: Sequence[str], statistics: Statistics) -> Vectors:
        """The vectors of `texts` in their order; a text without tokens gives the zero vector."""
        return self._encode(self._ids(texts), statistics)

    def _ids(self, texts: Sequence[str]) -> list[npt.NDArray[np.int64]]:
        return [np.asarray(ids[:MAX_TOKENS], dtype=np.int64) for ids in self.tokenizer.encode_batch(list(texts))]

    def _encode(self, ids: Sequence[npt.NDArray[np.int64]], statistics: Statistics) -> Vectors:
        frequency = statistics.counts / max(1, int(statistics.counts.sum()))
        weighted = self.table * (RARE / (RARE + frequency))[:, None].astype(np.float32)
        sums = np.stack([weighted[row].sum(axis=0) for row in ids]) if ids else np.empty((0, self.dim), np.float32)
        return _unit(_unit(sums) - statistics.mean)


def _unit(vectors: Vectors) -> Vectors:
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)
