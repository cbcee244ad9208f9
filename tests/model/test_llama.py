import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from codelake.engine.errors import ModelError
from codelake.model.config import PRESETS, ModelConfig, nano, tinyllama
from codelake.model.llama import Llama

SHAPES = {
    "llama-2-like": ModelConfig(
        vocab_size=128, hidden_size=64, intermediate_size=172, num_hidden_layers=3, num_attention_heads=4,
        rms_norm_eps=1e-5,
    ),
    "tinyllama-like": ModelConfig(
        vocab_size=128, hidden_size=128, intermediate_size=352, num_hidden_layers=3, num_attention_heads=8,
        num_key_value_heads=2, rms_norm_eps=1e-5,
    ),
    "tied": ModelConfig(
        vocab_size=128, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=48, rope_theta=5e5, tie_word_embeddings=True,
    ),
}  # fmt: skip


@pytest.fixture(params=SHAPES)
def model(request: pytest.FixtureRequest) -> Llama:
    torch.manual_seed(1)
    model = Llama(SHAPES[request.param])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            # away from initial values, so that no norm is the identity and logits are of everyday size
            parameter.add_(torch.randn_like(parameter) * (0.2 if "norm" in name else 0.05))
    return model


@torch.no_grad()
def test_logits_and_state_dict_are_those_of_transformers(model: Llama) -> None:
    theirs = LlamaForCausalLM(LlamaConfig(**model.config.to_hf())).eval()
    theirs.load_state_dict(model.state_dict(), strict=True)
    again = Llama(model.config)
    again.load_state_dict(theirs.state_dict(), strict=True)
    ids = torch.randint(0, model.config.vocab_size, (2, 33))
    expected = theirs(ids).logits
    assert expected.std() > 0.1
    torch.testing.assert_close(again(ids), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(again.logits(ids[0].int()), expected[0], atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_packed_row_equals_its_documents_apart(model: Llama) -> None:
    lengths = [7, 1, 19, 5]
    documents = [torch.randint(0, model.config.vocab_size, (length,)) for length in lengths]
    positions = torch.cat([torch.arange(length) for length in lengths])
    packed = model.logits(torch.cat(documents), positions)
    for part, document in zip(packed.split(lengths), documents, strict=True):
        torch.testing.assert_close(part, model.logits(document), atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_document_cannot_be_seen_from_its_neighbours(model: Llama) -> None:
    ids = torch.randint(0, model.config.vocab_size, (2, 24))
    positions = torch.cat([torch.arange(10), torch.arange(14)]).repeat(2, 1)
    changed = ids.clone()
    changed[:, :10] = (ids[:, :10] + 1) % model.config.vocab_size
    before, after = model(ids, positions), model(changed, positions)
    assert torch.equal(before[:, 10:], after[:, 10:])
    assert not torch.equal(before[:, :10], after[:, :10])
    changed = ids.clone()
    changed[:, -1] = (ids[:, -1] + 1) % model.config.vocab_size  # and no token sees what follows it
    assert torch.equal(before[:, :-1], model(changed, positions)[:, :-1])


@torch.no_grad()
def test_rows_of_one_document_need_no_positions(model: Llama) -> None:
    ids = torch.randint(0, model.config.vocab_size, (2, 16))
    assert torch.equal(model(ids), model(ids, torch.arange(16).repeat(2, 1)))
    mixed = torch.stack([torch.arange(16), torch.cat([torch.arange(4), torch.arange(12)])])
    torch.testing.assert_close(model(ids, mixed)[0], model(ids)[0], atol=1e-5, rtol=0)


@torch.no_grad()
def test_hidden_states_are_what_the_head_projects(model: Llama) -> None:
    ids = torch.randint(0, model.config.vocab_size, (2, 9))
    hidden = model(ids, hidden=True)
    assert hidden.shape == (2, 9, model.config.hidden_size)
    assert torch.equal(model.lm_head(hidden), model(ids))


def test_bad_input_is_refused(model: Llama) -> None:
    for ids in (torch.tensor([[3, 128]]), torch.tensor([[-1, 3]]), torch.zeros(1, 2), torch.tensor([1, 2])):
        with pytest.raises(ModelError):
            model(ids)
    with pytest.raises(ModelError, match="positions"):
        model(torch.tensor([[1, 2]]), torch.tensor([0, 1]))
    with pytest.raises(ModelError, match="128 is outside the vocabulary"):
        model.logits(torch.tensor([128]))


@pytest.mark.parametrize("preset", PRESETS)
def test_parameter_formula_counts_the_module(preset: str) -> None:
    with torch.device("meta"):
        model = Llama(PRESETS[preset]())
    assert sum(parameter.numel() for parameter in model.parameters()) == PRESETS[preset]().parameters


def test_tinyllama_module_has_the_published_parameter_count() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in Llama(tinyllama()).parameters()) == 1_100_048_384


def test_initial_weights_follow_the_seed_and_the_stated_deviations() -> None:
    config = nano()
    torch.manual_seed(5)
    first = Llama(config)
    torch.manual_seed(5)
    second = Llama(config)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    width = config.hidden_size
    layer = first.model.layers[0]
    assert layer.self_attn.q_proj.weight.std().item() == pytest.approx((2 / (5 * width)) ** 0.5, rel=0.05)
    assert layer.mlp.down_proj.weight.std().item() == pytest.approx(1 / width**0.5 / config.num_hidden_layers, rel=0.05)
    assert torch.equal(first.model.norm.weight, torch.ones(width))
