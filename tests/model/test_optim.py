import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from codelake.model.config import TrainConfig, nano
from codelake.model.llama import Llama
from codelake.model.optim import adamw, learning_rate


def test_cosine_at_its_landmarks() -> None:
    config = TrainConfig(steps=111, lr=1.0, min_lr=0.1, warmup_steps=10, schedule="cosine")
    assert learning_rate(0, config) == pytest.approx(0.1)  # the first update already moves
    assert learning_rate(9, config) == learning_rate(10, config) == 1.0
    assert learning_rate(60, config) == pytest.approx(0.55)
    assert learning_rate(110, config) == learning_rate(500, config) == pytest.approx(0.1)


def test_wsd_at_its_landmarks() -> None:
    config = TrainConfig(steps=101, lr=1.0, min_lr=0.0, warmup_steps=10, schedule="wsd", decay_fraction=0.2)
    assert learning_rate(0, config) == pytest.approx(0.1)
    assert {learning_rate(step, config) for step in range(9, 81)} == {1.0}
    assert learning_rate(90, config) == pytest.approx(0.5)
    assert learning_rate(100, config) == 0.0


@given(
    steps=st.integers(1, 300),
    warmup=st.integers(0, 300),
    schedule=st.sampled_from(["cosine", "wsd"]),
    decay=st.floats(0.01, 1.0),
)
def test_rate_rises_then_falls_within_its_bounds(steps: int, warmup: int, schedule: str, decay: float) -> None:
    config = TrainConfig(
        steps=steps, lr=1.0, min_lr=0.1, warmup_steps=warmup, schedule=schedule, decay_fraction=decay
    )  # fmt: skip
    rates = [learning_rate(step, config) for step in range(steps)]
    assert all(0 < rate <= 1 for rate in rates)
    assert rates[:warmup] == sorted(rates[:warmup])
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    if steps > warmup + 1:
        assert rates[-1] == pytest.approx(0.1)


def test_norms_and_embeddings_do_not_decay() -> None:
    model = Llama(nano(64))
    optimizer = adamw(model, TrainConfig(steps=1, weight_decay=0.5))
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert len(decay) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        assert decay[id(parameter)] == (0.0 if "norm" in name or "embed" in name else 0.5), name


def test_an_update_has_the_same_bits_every_time() -> None:
    def updated() -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = Llama(nano(64))
        optimizer = adamw(model, TrainConfig(steps=1))
        for _ in range(3):
            for parameter in model.parameters():
                parameter.grad = torch.randn_like(parameter)
            optimizer.step()
        return list(model.parameters())

    assert all(torch.equal(a, b) for a, b in zip(updated(), updated(), strict=True))
