"""The Llama decoder in plain torch, with Hugging Face's parameter names, over rows packed with documents.

`Llama(config).state_dict()` has the keys and shapes of transformers' `LlamaForCausalLM`, so weights move either way
without a converter. A row of tokens may hold several documents: each starts where `positions` is 0, and attention
never looks past that start, so a packed row gives every document the logits it would get alone.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..engine.errors import ModelError
from .config import ModelConfig


class Llama(nn.Module):
    """A causal language model of shape `config`, its weights drawn from torch's global generator.

    Call `torch.manual_seed` first for the same weights again. Initial weights are TinyLlama's (arXiv:2401.02385,
    `lit_gpt/model.py`): normal with standard deviation sqrt(2 / (5 hidden_size)) ("SmallInit", arXiv:1910.05895),
    and 1 / (sqrt(hidden_size) num_hidden_layers) for the projections that end in the residual stream.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight
        self._initialise()

    def forward(self, ids: Tensor, positions: Tensor | None = None, *, hidden: bool = False) -> Tensor:
        """Logits [B, T, vocab_size] of the tokens that follow `ids` [B, T], or the final states [B, T, hidden_size].

        `positions` [B, T] counts from 0 within each document; without it every row is one document. Ids outside the
        vocabulary raise ModelError, except on an accelerator, where looking at them would stall its queue.
        """
        if ids.ndim != 2 or ids.is_floating_point():
            raise ModelError(f"ids must be whole numbers of shape [batch, tokens], not {ids.dtype} {list(ids.shape)}")
        if positions is not None and positions.shape != ids.shape:
            raise ModelError(f"positions {list(positions.shape)} must have the shape of ids {list(ids.shape)}")
        if ids.device.type == "cpu":
            _check_vocabulary(ids, self.config.vocab_size)
        states: Tensor = self.model(ids, positions)
        return states if hidden else self.lm_head(states)

    def logits(self, ids: Tensor, positions: Tensor | None = None) -> Tensor:
        """Logits [T, vocab_size] of one row `ids` [T], where a document starts at every position 0."""
        if ids.ndim != 1:
            raise ModelError(f"ids must have shape [tokens], not {list(ids.shape)}")
        _check_vocabulary(ids, self.config.vocab_size)
        rows: Tensor = self(ids[None], None if positions is None else positions[None])
        return rows[0]

    def _initialise(self) -> None:
        width, layers = self.config.hidden_size, self.config.num_hidden_layers
        for name, parameter in self.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.normal_(parameter, std=1 / (math.sqrt(width) * layers))
            elif parameter.ndim == 2:
                nn.init.normal_(parameter, std=math.sqrt(2 / (5 * width)))


class Decoder(nn.Module):
    """Embedding, blocks and final norm: everything before the vocabulary projection."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, ids: Tensor, positions: Tensor | None) -> Tensor:
        mask = None if positions is None else document_mask(positions)  # [B, 1, T, T]
        if positions is None:
            positions = torch.arange(ids.shape[1], device=ids.device)[None]
        x = self.embed_tokens(ids)  # [B, T, D]
        cos, sin = rotary_table(positions, self.config.head_dim, self.config.rope_theta, x.dtype)
        for layer in self.layers:
            x = layer(x, cos, sin, mask)
        normed: Tensor = self.norm(x)
        return normed


class Block(nn.Module):
    """Attention and feed-forward, each on the normalised residual stream."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = FeedForward(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        after: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return after


class Attention(nn.Module):
    """Causal attention whose key-value heads are shared by groups of query heads (GQA, arXiv:2305.13245)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.head_dim = config.head_dim
        queries, pairs = config.num_attention_heads * self.head_dim, config.num_key_value_heads * self.head_dim
        self.q_proj = nn.Linear(config.hidden_size, queries, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, pairs, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, pairs, bias=False)
        self.o_proj = nn.Linear(queries, config.hidden_size, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor | None) -> Tensor:
        heads = (*x.shape[:2], -1, self.head_dim)
        q = self.q_proj(x).view(heads).transpose(1, 2)  # [B, heads, T, head_dim]
        k = self.k_proj(x).view(heads).transpose(1, 2)  # [B, key-value heads, T, head_dim]
        v = self.v_proj(x).view(heads).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, enable_gqa=True)
        out: Tensor = self.o_proj(mixed.transpose(1, 2).flatten(2))
        return out


class FeedForward(nn.Module):
    """SwiGLU (arXiv:2002.05202)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class RMSNorm(nn.Module):
    """Root-mean-square norm (arXiv:1910.07467), its variance in fp32 and its weight applied in the input's type."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        wide = x.float()
        return self.weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + self.eps)).to(x.dtype)


def document_mask(positions: Tensor) -> Tensor | None:
    """Which tokens each token sees, [B, 1, T, T]: its own document, up to itself; None when each row is one document.

    None stands for plain causal attention, which needs no mask and is the faster kernel.
    """
    if not (positions[:, 1:] == 0).any():
        return None
    document = (positions == 0).cumsum(1)  # [B, T]
    same = document[:, :, None] == document[:, None, :]
    return same.tril()[:, None]


def rotary_table(positions: Tensor, head_dim: int, theta: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Cosines and sines [B, 1, T, head_dim] of the rotary embedding (arXiv:2104.09864), computed in fp32.

    The frequencies are computed on the CPU whatever the device: a power rounds differently on an accelerator, and at
    position 2048 one unit in the last place of a frequency is 1e-4 in the angle.
    """
    exponents = torch.arange(0, head_dim, 2, device="cpu", dtype=torch.float32) / head_dim
    frequencies = (1.0 / theta**exponents).to(positions.device, non_blocking=True)
    angles = positions[:, None, :, None].float() * frequencies
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate each pair (x_i, x_{i + head_dim/2}) by its angle: the half-split layout of Hugging Face checkpoints."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


def _check_vocabulary(ids: Tensor, vocab_size: int) -> None:
    if ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < vocab_size:
        worst = int(ids.min()) if int(ids.min()) < 0 else int(ids.max())
        raise ModelError(
            f"token id {worst} is outside the vocabulary [0, {vocab_size}): wrong tokenizer for the model?"
        )
