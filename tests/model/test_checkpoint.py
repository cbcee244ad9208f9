import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaForCausalLM

from codelake.engine.errors import ModelError
from codelake.model import checkpoint
from codelake.model.checkpoint import RunState, latest, load, restore, save
from codelake.model.config import ModelConfig, TrainConfig
from codelake.model.llama import Llama
from codelake.model.optim import adamw

TOKENIZER = b'{"version": "1.0"}'


def trained(*, tied: bool = False, seed: int = 0) -> tuple[Llama, torch.optim.AdamW]:
    torch.manual_seed(seed)
    model = Llama(
        ModelConfig(
            vocab_size=40,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            tie_word_embeddings=tied,
        )
    )
    optimizer = adamw(model, TrainConfig(steps=1))
    model(torch.arange(8)[None]).square().sum().backward()
    optimizer.step()
    return model, optimizer


def at(step: int) -> RunState:
    return RunState(
        step=step,
        tokens=step * 10,
        stream={"window": step},
        plan={"release": "1.0.0"},
        recipe={"data": {"sql": "SELECT content FROM code"}},
        tokenizer_sha256="ab",
        metrics={"loss": None, "step": step},
    )


def write(run_dir: Path, step: int, *, keep_last: int = 9, tied: bool = False) -> Path:
    model, optimizer = trained(tied=tied, seed=step)
    return save(run_dir, model=model, optimizer=optimizer, state=at(step), tokenizer=TOKENIZER, keep_last=keep_last)


@pytest.mark.parametrize("tied", [False, True])
def test_a_checkpoint_brings_back_model_optimizer_and_generators(tmp_path: Path, tied: bool) -> None:
    model, optimizer = trained(tied=tied)
    path = save(tmp_path, model=model, optimizer=optimizer, state=at(7), tokenizer=TOKENIZER, keep_last=1)
    drawn = torch.rand(3)
    loaded = load(path)
    assert (loaded.state, loaded.config, path.name) == (at(7), model.config, "step-00000007")
    other = Llama(loaded.config)
    into = adamw(other, TrainConfig(steps=1))
    restore(loaded, other, into)
    assert torch.equal(torch.rand(3), drawn)
    for (name, a), b in zip(model.named_parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b), name
        for key, value in optimizer.state[a].items():
            assert torch.equal(value, into.state[b][key]), (name, key)
    again = save(tmp_path / "b", model=other, optimizer=into, state=at(7), tokenizer=TOKENIZER, keep_last=1)
    assert (again / "model.safetensors").read_bytes() == (path / "model.safetensors").read_bytes()


@pytest.mark.parametrize("tied", [False, True])
def test_transformers_loads_the_folder_with_equal_logits(tmp_path: Path, tied: bool) -> None:
    path = write(tmp_path, 3, tied=tied)
    theirs = LlamaForCausalLM.from_pretrained(path)
    ours = Llama(load(path).config)
    ours.load_state_dict(load(path).weights)
    ids = torch.arange(20)[None]
    with torch.no_grad():
        torch.testing.assert_close(ours(ids), theirs(ids).logits, atol=1e-5, rtol=0)
    assert ("lm_head.weight" in load_file(path / "model.safetensors")) is not tied


def test_trainer_json_says_where_the_model_comes_from(tmp_path: Path) -> None:
    trainer = json.loads((write(tmp_path, 3) / "trainer.json").read_text())
    assert trainer["sql"] == "SELECT content FROM code"
    assert trainer["format_version"] == 1
    assert set(trainer["versions"]) == {"codelake", "python", "torch"}
    assert (trainer["step"], trainer["tokens"], trainer["stream"]) == (3, 30, {"window": 3})


def test_steps_are_ordered_as_numbers_and_only_older_ones_are_deleted(tmp_path: Path) -> None:
    for step in (99_999_999, 100_000_000):
        write(tmp_path, step, keep_last=2)
    (tmp_path / "LATEST").unlink()
    assert latest(tmp_path) == tmp_path / "step-100000000"
    write(tmp_path, 100_000_001, keep_last=2)
    assert sorted(p.name for p in tmp_path.glob("step-*")) == ["step-100000000", "step-100000001"]
    write(tmp_path, 5, keep_last=1)  # a run set back to step 5 deletes no later checkpoint, and LATEST follows it
    assert latest(tmp_path) == tmp_path / "step-00000005"
    assert (tmp_path / "step-100000001").is_dir()


@pytest.mark.parametrize("text", [None, "", "nonsense", "77", "\xff"])
def test_latest_falls_back_to_the_newest_complete_folder(tmp_path: Path, text: str | None) -> None:
    assert latest(tmp_path) is None
    for step in (1, 2, 3):
        write(tmp_path, step)
    (tmp_path / "LATEST").unlink()
    if text is not None:
        (tmp_path / "LATEST").write_bytes(text.encode("latin-1"))
    (tmp_path / "step-00000003" / "model.safetensors").unlink()
    assert latest(tmp_path) == tmp_path / "step-00000002"


def test_a_save_killed_at_any_point_leaves_a_loadable_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each save syncs after everything it writes or renames; here it dies at the first of them, the second, ..."""
    sync: Callable[[Path], None] = checkpoint._sync
    died = 0
    for point in range(1, 100):
        run_dir = tmp_path / str(point)
        write(run_dir, 1)
        countdown = iter(range(point - 1, -1, -1))

        def dying(path: Path, countdown=countdown) -> None:
            if next(countdown) == 0:
                raise InterruptedError(path)
            sync(path)

        monkeypatch.setattr(checkpoint, "_sync", dying)
        try:
            with pytest.raises(ModelError, match="cannot save the checkpoint"):
                write(run_dir, 2)
        except pytest.fail.Exception:
            break  # the whole save took fewer syncs than `point`
        finally:
            monkeypatch.setattr(checkpoint, "_sync", sync)
        died += 1
        found = latest(run_dir)
        assert found is not None and load(found).state.step in (1, 2)
        write(run_dir, 2)
        found = latest(run_dir)
        assert found is not None and load(found).state == at(2)
        assert {p.name for p in run_dir.iterdir()} == {"LATEST", "step-00000001", "step-00000002"}
    assert died >= 8  # five files, their folder, the run folder, LATEST


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "optimizer.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("damage", ["missing", "cut", "altered"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, damage: str) -> None:
    file = write(tmp_path, 1) / name
    content = bytearray(file.read_bytes())
    if damage == "missing":
        file.unlink()
    else:
        content[-2] ^= 1
        file.write_bytes(content if damage == "altered" else content[:-1])
    with pytest.raises(ModelError, match=name):
        load(file.parent)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"format_version": 2}', "format version 2.*upgrade"),
        ('{"format_version": 1}', "not a trainer state"),
        ("[]", "not a trainer state"),
        ("{", "damaged.*trainer.json"),
        (None, "trainer.json is missing"),
    ],
)
def test_a_trainer_json_that_cannot_be_used_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    file = write(tmp_path, 1) / "trainer.json"
    file.unlink()
    if text is not None:
        file.write_text(text)
    with pytest.raises(ModelError, match=message):
        load(file.parent)


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    loaded = load(write(tmp_path, 1))
    model = Llama(ModelConfig(**{**loaded.config.__dict__, "vocab_size": 41}))
    with pytest.raises(ModelError, match=r"model\.safetensors does not fit"):
        restore(loaded, model, adamw(model, TrainConfig(steps=1)))
