import pytest
import torch
from torch.nn.functional import log_softmax

from codelake.engine.errors import ModelError
from codelake.model.config import ModelConfig
from codelake.model.llama import Llama
from codelake.model.loss import next_token_loss

CONFIG = ModelConfig(
    vocab_size=32, hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2
)  # fmt: skip


def test_loss_is_the_sum_over_valid_labels_of_their_surprise() -> None:
    torch.manual_seed(0)
    model = Llama(CONFIG)
    tokens = torch.randint(0, 32, (2, 9), dtype=torch.int32)
    positions = torch.tensor([0, 1, 2, 3, 0, 1, 2, 3, 4], dtype=torch.int32).repeat(2, 1)
    labels = tokens[:, 1:].long()
    labels[:, 3] = -100  # the target starts another document
    labels[1, 6:] = -100
    loss, valid = next_token_loss(model, tokens, positions, labels)
    assert int(valid) == 7 + 5
    surprise = torch.zeros(())
    for row in range(2):
        scores = log_softmax(model.logits(tokens[row, :-1], positions[row, :-1]), dim=-1)
        surprise = surprise - sum(scores[t, labels[row, t]] for t in range(8) if labels[row, t] >= 0)
    torch.testing.assert_close(loss, surprise, atol=1e-4, rtol=0)
    nothing, none = next_token_loss(model, tokens, positions, torch.full_like(labels, -100))
    assert (float(nothing.detach()), int(none)) == (0.0, 0)


def test_labels_of_another_shape_are_refused() -> None:
    tokens = torch.zeros(1, 5, dtype=torch.int32)
    with pytest.raises(ModelError, match="labels"):
        next_token_loss(Llama(CONFIG), tokens, tokens, torch.zeros(1, 5, dtype=torch.int64))
