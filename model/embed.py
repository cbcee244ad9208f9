"""Text to vectors with a trained language model: the mean of its last hidden states, as unit vectors.

A mean over tokens needs no training of its own, unlike the last token of a contrastively trained embedder
(research/model.md E.11); that embedder comes with its own issue and takes this class's place.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file

from ..engine.errors import ModelError
from ..engine.tokenizer import LoadedTokenizer
from ..engine.tokenizer import load as load_tokenizer
from .config import ModelConfig
from .llama import Llama

MAX_TOKENS = 256
_TOKENS_A_BATCH = 8192

Vectors = npt.NDArray[np.float32]


class Embedder:
    """A model and its tokenizer as a function from texts to vectors [N, dim], float32, each of length 1.

    checkpoint: a folder with config.json, model.safetensors and tokenizer.json, as `codelake train` and Hugging Face
    write. Texts longer than `max_tokens` are cut. `sha256` names the weights.
    """

    def __init__(self, checkpoint: Path, *, max_tokens: int = MAX_TOKENS) -> None:
        weights = checkpoint / "model.safetensors"
        if not weights.is_file():
            raise ModelError(f"{checkpoint}: no model.safetensors there; name a checkpoint folder of `codelake train`")
        self.checkpoint = checkpoint
        self.config = ModelConfig.from_hf(checkpoint / "config.json")
        self.tokenizer: LoadedTokenizer = load_tokenizer(checkpoint / "tokenizer.json")
        self.max_tokens = min(max_tokens, self.config.max_position_embeddings)
        self.sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()
        self.model = Llama(self.config).eval()
        state = load_file(weights)
        if self.config.tie_word_embeddings:
            # Hugging Face saves a tied weight once, under the name of the embedding.
            state.setdefault("lm_head.weight", state["model.embed_tokens.weight"])
        self.model.load_state_dict(state, strict=True)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.config.hidden_size

    def encode(self, texts: Sequence[str]) -> Vectors:
        """The vectors of `texts`, in their order; a text without tokens gives the vector of the BOS token."""
        ids = [
            [self.tokenizer.bos_id, *list(map(int, found[: self.max_tokens - 1]))]
            for found in self.tokenizer.encode_batch(list(texts))
        ]
        vectors = np.empty((len(ids), self.dim), dtype=np.float32)
        # Longest first, so that a batch holds rows of about one length and pads little.
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        start = 0
        while start < len(order):
            width = len(ids[order[start]])
            rows = order[start : start + max(1, _TOKENS_A_BATCH // width)]
            vectors[rows] = self._encode([ids[i] for i in rows], width)
            start += len(rows)
        return vectors

    @torch.inference_mode()
    def _encode(self, rows: list[list[int]], width: int) -> Vectors:
        ids = torch.zeros(len(rows), width, dtype=torch.long)
        mask = torch.zeros(len(rows), width, 1)
        for number, row in enumerate(rows):
            ids[number, : len(row)] = torch.tensor(row)
            mask[number, : len(row)] = 1.0
        # Attention is causal, so padding after a text cannot reach it.
        hidden = self.model(ids, hidden=True).float()
        mean = (hidden * mask).sum(1) / mask.sum(1)
        return np.asarray(torch.nn.functional.normalize(mean, dim=-1).numpy(), dtype=np.float32)


def center(vectors: Vectors, mean: Vectors) -> Vectors:
    """`vectors` with the common direction `mean` taken out, of length 1 again.

    Hidden states of a language model share one large component that hides what tells texts apart (Mu & Viswanath,
    "All-but-the-Top", ICLR 2018).
    """
    moved = vectors - mean
    norms = np.linalg.norm(moved, axis=-1, keepdims=True)
    return np.asarray(moved / np.maximum(norms, 1e-12), dtype=np.float32)
