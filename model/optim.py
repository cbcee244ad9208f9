"""AdamW, and the learning rate as a pure function of the step."""

import math

import torch
from torch import nn

from .config import TrainConfig


def adamw(model: nn.Module, config: TrainConfig) -> torch.optim.AdamW:
    """AdamW over two groups: matrices with weight decay; norms and embeddings without.

    Decaying embeddings shrinks the residual stream they feed without regularising anything (OLMo 2,
    arXiv:2501.00656); a tied output matrix is an embedding. The fused kernel updates each number in one
    pass, with the same bits every run.
    """
    embeddings = {id(m.weight) for m in model.modules() if isinstance(m, nn.Embedding)}
    decayed = [p for p in model.parameters() if p.ndim >= 2 and id(p) not in embeddings]
    kept = [p for p in model.parameters() if p.ndim < 2 or id(p) in embeddings]
    groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": kept, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.lr, betas=config.betas, eps=1e-8, fused=True)


def learning_rate(step: int, config: TrainConfig) -> float:
    """The learning rate of the update numbered `step` from 0, a function of nothing else.

    Rises linearly to `lr` over the first `warmup_steps` updates, the first of which is already above 0. Then "cosine"
    falls to `min_lr` along half a cosine (arXiv:1608.03983), and "wsd" stays until the last `decay_fraction` of the
    steps and falls linearly (arXiv:2404.06395). Either reaches `min_lr` at the last update and stays there.
    """
    if step < config.warmup_steps:
        return config.lr * (step + 1) / config.warmup_steps
    last = config.steps - 1
    start = config.warmup_steps
    if config.schedule == "wsd":
        start = max(start, last - round(config.decay_fraction * config.steps))
    progress = min(max(step - start, 0) / max(last - start, 1), 1.0)
    falling = (1 + math.cos(math.pi * progress)) / 2 if config.schedule == "cosine" else 1 - progress
    return config.min_lr + (config.lr - config.min_lr) * falling
