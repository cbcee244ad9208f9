"""The training loss: cross-entropy of the next token, summed, with its own count.

A sum and a count, never a mean: rows hold different numbers of valid labels, so only the caller, who sees the whole
batch (all its micro-batches, all ranks), can divide by the right number.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from ..engine.errors import ModelError

IGNORED = -100  # torch's default `ignore_index`, the label of a target that is padding or starts another document


def next_token_loss(model: nn.Module, tokens: Tensor, positions: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Summed fp32 cross-entropy in nats, and how many labels it sums over.

    `tokens` and `positions` are [B, T + 1] as streams give them (the last column is only a target), `labels` [B, T]
    with IGNORED wherever nothing is to be learnt. Raises ModelError when the shapes do not fit together.
    """
    if labels.shape != tokens[:, 1:].shape:
        raise ModelError(f"labels {list(labels.shape)} must be one column narrower than tokens {list(tokens.shape)}")
    logits = model(tokens[:, :-1], positions[:, :-1])
    loss = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED, reduction="sum")
    return loss, (labels != IGNORED).sum()
