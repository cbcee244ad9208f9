"""Run as a script, this file trains in a process of its own that a test then kills; see `child`."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from codelake.engine.errors import ModelError
from codelake.model import checkpoint
from codelake.model.config import DataConfig, ModelConfig, Recipe, TrainConfig
from codelake.model.llama import Llama
from codelake.model.optim import learning_rate
from codelake.model.train import TrainResult, backward, train

MODEL = ModelConfig(
    vocab_size=48, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2,
)  # fmt: skip


@dataclass
class Rows:
    tokens: Tensor
    positions: Tensor
    labels: Tensor
    cu_seqlens: Tensor


class FakeLoader:
    """Row i is a pure function of i: two documents, the second of a length that varies, then padding."""

    def __init__(self, batch_size: int, *, period: int = 0, shifted: int = 0) -> None:
        self.batch_size, self.period, self.shifted = batch_size, period, shifted
        self.row = 0
        self.closed = False

    def __next__(self) -> Rows:
        rows = [self._row(self.row + i) for i in range(self.batch_size)]
        self.row += self.batch_size
        tokens, positions, labels = (torch.stack(column) for column in zip(*rows, strict=True))
        return Rows(tokens, positions, labels, (positions.flatten() == 0).nonzero().flatten().int())

    def _row(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        index = index % self.period if self.period else index
        generator = torch.Generator().manual_seed(index)
        start = 3 + index % 5
        tokens = torch.randint(0, MODEL.vocab_size, (17,), generator=generator, dtype=torch.int32) + self.shifted
        positions = torch.cat([torch.arange(start), torch.arange(17 - start)]).int()
        labels = tokens[1:].long()
        labels[start - 1] = -100
        labels[16 - index % 4 :] = -100
        return tokens, positions, labels

    def state_dict(self) -> dict[str, Any]:
        return {"row": self.row}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.row = state["row"]

    def close(self) -> None:
        self.closed = True


class FakeStream:
    def __init__(self, **settings: int) -> None:
        self.settings = settings
        self.loaders: list[FakeLoader] = []

    def loader(self, *, batch_size: int, rank: int = 0, world_size: int = 1) -> FakeLoader:
        assert (rank, world_size) == (0, 1)
        self.loaders.append(FakeLoader(batch_size, **self.settings))
        return self.loaders[-1]


def recipe(batch_size: int = 2, **settings: Any) -> Recipe:
    defaults: dict[str, Any] = {
        "steps": 12, "lr": 1e-2, "min_lr": 1e-3, "warmup_steps": 2, "log_every": 1, "checkpoint_every": 6,
        "seed": 3, "keep_last": 4,
    }  # fmt: skip
    return Recipe(
        model=MODEL,
        data=DataConfig(sql="SELECT content FROM code", tokenizer="t.json", seq_len=16, batch_size=batch_size),
        train=TrainConfig(**defaults | settings),
    )


def run(into: Path, how: Recipe, stream: FakeStream | None = None, **options: Any) -> TrainResult:
    tokenizer = into.parent / "tokenizer.json"
    if not tokenizer.exists():
        tokenizer.write_text('{"version": "1.0"}')
    options = {"plan": {"release": "1.0.0"}} | options
    stream = stream or FakeStream()
    return train(how, stream, run_dir=into, tokenizer_path=tokenizer, device="cpu", **options)


def lines(run_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]


def weights(run_dir: Path, step: int) -> tuple[bytes, bytes]:
    folder = run_dir / f"step-{step:08d}"
    return (folder / "model.safetensors").read_bytes(), (folder / "optimizer.safetensors").read_bytes()


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors of this size run slower on two threads than on one, and far slower on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_a_fixed_batch_is_learnt_by_heart(tmp_path: Path) -> None:
    stream = FakeStream(period=2)
    result = run(tmp_path / "run", recipe(steps=45, log_every=10, checkpoint_every=1000), stream)
    assert result.losses[10] > 0.1 > result.losses[45]
    assert (result.steps, result.tokens, result.skipped) == (45, 45 * 2 * 16, 0)
    assert list(result.losses) == [10, 20, 30, 40, 45]
    assert stream.loaders[0].closed
    assert (tmp_path / "run" / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_killed_runs_end_with_the_bytes_of_an_uninterrupted_one(tmp_path: Path) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    whole = run(straight, recipe())
    for at, resumed_from in ((9, 6), (11, 6)):  # past the checkpoint of step 6, twice
        assert child(killed, at) == -signal.SIGKILL
        assert lines(killed)[-1]["step"] == at
        found = checkpoint.latest(killed)
        assert found is not None and checkpoint.load(found).state.step == resumed_from
    result = run(killed, recipe())
    assert weights(killed, 12) == weights(straight, 12)
    assert result.losses == whole.losses and list(result.losses) == list(range(1, 13))
    for logged in (ours := lines(killed)), (theirs := lines(straight)):
        for line in logged:
            del line["tokens_per_second"], line["seconds"]
    assert ours == theirs
    longer = {"steps": 15}  # a finished run goes on when its recipe asks for more
    assert run(killed, recipe(**longer)).losses == run(straight, recipe(**longer)).losses
    assert weights(killed, 15) == weights(straight, 15)


def child(run_dir: Path, kill_at: int) -> int:
    command = [sys.executable, __file__, str(run_dir), str(kill_at)]
    return subprocess.run(command, check=False, timeout=120).returncode


def test_a_finished_run_returns_without_asking_for_data(tmp_path: Path) -> None:
    first = run(tmp_path / "run", recipe(steps=2))
    stream = FakeStream()
    assert run(tmp_path / "run", recipe(steps=2), stream) == first
    assert stream.loaders == []


@pytest.mark.parametrize("requested", ["signal", "exception"])
def test_an_interrupt_saves_and_the_run_goes_on_exactly(tmp_path: Path, requested: str) -> None:
    def stop(step: int, _metrics: dict[str, Any]) -> None:
        if step == 4:
            if requested == "exception":
                raise KeyboardInterrupt
            os.kill(os.getpid(), signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", recipe(), on_step=stop)
    assert signal.getsignal(signal.SIGINT) is handler
    assert (tmp_path / "run" / "LATEST").read_text() == "4\n"
    run(tmp_path / "run", recipe())
    run(tmp_path / "straight", recipe())
    assert weights(tmp_path / "run", 12) == weights(tmp_path / "straight", 12)


def test_accumulated_batches_weigh_every_label_the_same(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Llama(MODEL)
    halves, whole = FakeLoader(2), FakeLoader(4)
    loss = backward(model, [next(halves), next(halves)])
    gradients = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    model.zero_grad()
    torch.testing.assert_close(backward(model, [next(whole)]), loss, atol=1e-6, rtol=0)
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, atol=1e-6, rtol=0)
    twice = run(tmp_path / "twice", recipe(2, grad_accumulation=2, steps=5))
    once = run(tmp_path / "once", recipe(4, steps=5))
    assert twice.tokens == once.tokens
    assert twice.losses == pytest.approx(once.losses, abs=1e-5)


def test_a_changed_run_is_refused_with_every_difference(tmp_path: Path) -> None:
    run(tmp_path / "run", recipe(steps=2))
    with pytest.raises(ModelError) as refused:
        run(tmp_path / "run", recipe(steps=9, lr=0.5, log_every=3, seed=4), plan={"release": "2.0.0", "files": 3})
    message = str(refused.value)
    for line in (
        "recipe.train.lr: 0.01 in the checkpoint, 0.5 now",
        "recipe.train.seed: 3 in the checkpoint, 4 now",
        "plan.release: '1.0.0' in the checkpoint, '2.0.0' now",
        "plan.files: '(absent)' in the checkpoint, 3 now",
    ):
        assert line in message
    assert "steps" not in message and "log_every" not in message
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="tokenizer sha256"):
        run(tmp_path / "run", recipe(steps=2))


def test_a_step_that_is_not_finite_changes_nothing_and_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(1, 100))

    def spiking(model: Llama, batches: list[Rows]) -> Tensor:
        loss = backward(model, batches)
        if next(calls) == 4:
            next(model.parameters()).grad[0, 0] = torch.nan  # type: ignore[index]
            return loss * torch.nan
        return loss

    monkeypatch.setattr("codelake.model.train.backward", spiking)
    result = run(tmp_path / "run", recipe(steps=6, checkpoint_every=1, keep_last=9))
    before, after = (checkpoint.load(tmp_path / "run" / f"step-{step:08d}") for step in (3, 4))
    for ours, theirs in ((before.weights, after.weights), (before.optimizer, after.optimizer)):
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert [line["skipped"] for line in lines(tmp_path / "run")] == [0, 0, 0, 1, 1, 1]
    assert lines(tmp_path / "run")[3]["loss"] is None and lines(tmp_path / "run")[3]["grad_norm"] is None
    assert result.skipped == 1
    assert weights(tmp_path / "run", 5) != weights(tmp_path / "run", 4)


def test_a_batch_without_a_label_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    take = FakeLoader.__next__

    def unlabelled(self: FakeLoader) -> Rows:
        batch = take(self)
        if self.row == 4:
            batch.labels.fill_(-100)
        return batch

    monkeypatch.setattr(FakeLoader, "__next__", unlabelled)
    assert run(tmp_path / "run", recipe(steps=3)).skipped == 1


def test_metrics_tell_the_rate_of_the_recipe_and_survive_a_torn_line(tmp_path: Path) -> None:
    how = recipe(steps=6, schedule="wsd")
    run(tmp_path / "run", how)
    assert [line["lr"] for line in lines(tmp_path / "run")] == [learning_rate(step, how.train) for step in range(6)]
    assert all(line["tokens_per_second"] > 0 and line["grad_norm"] > 0 for line in lines(tmp_path / "run"))
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write('{"step": 7, "lo')
    result = run(tmp_path / "run", recipe(steps=8, schedule="wsd"))
    assert [line["step"] for line in lines(tmp_path / "run")] == list(range(1, 9)) == list(result.losses)


def test_callbacks_see_logged_steps_and_saved_checkpoints(tmp_path: Path) -> None:
    steps, saved = [], []
    run(
        tmp_path / "run",
        recipe(steps=7, log_every=3, checkpoint_every=5, keep_last=1),
        on_step=lambda step, metrics: steps.append((step, metrics["step"])),
        on_checkpoint=lambda folder, trainer: saved.append((folder.name, trainer["step"], trainer["stream"])),
    )
    assert steps == [(3, 3), (6, 6), (7, 7)]
    assert saved == [("step-00000005", 5, {"row": 10}), ("step-00000007", 7, {"row": 14})]
    assert [p.name for p in (tmp_path / "run").glob("step-*")] == ["step-00000007"]


def test_what_cannot_be_trained_on_is_refused(tmp_path: Path) -> None:
    stream = FakeStream(shifted=40)
    with pytest.raises(ModelError, match="outside the vocabulary"):
        run(tmp_path / "run", recipe(), stream)
    assert stream.loaders[0].closed
    with pytest.raises(ModelError, match="cannot read the tokenizer"):
        train(recipe(), FakeStream(), run_dir=tmp_path, tokenizer_path=tmp_path / "none.json", plan={})


if __name__ == "__main__":

    def die(step: int, _metrics: dict[str, Any]) -> None:
        if step == int(sys.argv[2]):
            os.kill(os.getpid(), signal.SIGKILL)

    torch.set_num_threads(1)
    run(Path(sys.argv[1]), recipe(), on_step=die)
