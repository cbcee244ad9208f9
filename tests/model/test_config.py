import dataclasses
import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import LlamaConfig

from codelake.engine.errors import ModelError
from codelake.model.config import PRESETS, ModelConfig, Recipe, load_recipe, nano, shipped_recipes, tinyllama

SMALL = {
    "vocab_size": 96,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}


def test_tinyllama_has_the_published_parameter_count() -> None:
    assert tinyllama().parameters == 1_100_048_384


def test_flops_per_token_follow_the_stated_formula() -> None:
    matrices = 1_100_048_384 - 32000 * 2048
    assert tinyllama().flops_per_token(2048) == 6 * matrices + 12 * 22 * 2048 * 2048
    tied = nano()  # its one table multiplies as the output projection, so nothing is left out
    assert tied.flops_per_token(256) == 6 * tied.parameters + 12 * tied.num_hidden_layers * tied.hidden_size * 256


@pytest.mark.parametrize("preset", PRESETS)
def test_configuration_survives_transformers(preset: str) -> None:
    config = PRESETS[preset]()
    theirs = LlamaConfig(**config.to_hf())
    assert ModelConfig.from_hf(theirs) == config
    assert ModelConfig.from_hf(json.loads(theirs.to_json_string())) == config
    assert theirs.rope_parameters == {"rope_theta": 10000.0, "rope_type": "default"}


def test_from_hf_reads_files_and_what_transformers_4_wrote(tmp_path) -> None:
    old = SMALL | {"model_type": "llama", "rope_theta": 5e5, "rope_scaling": None, "torch_dtype": "bfloat16"}
    path = tmp_path / "config.json"
    path.write_text(json.dumps(old))
    config = ModelConfig.from_hf(path)
    assert config == ModelConfig.from_hf(tmp_path) == ModelConfig(**SMALL, rope_theta=5e5)
    assert (config.head_dim, config.num_key_value_heads) == (16, 4)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"attention_bias": True}, "attention_bias"),
        ({"mlp_bias": True}, "mlp_bias"),
        ({"model_type": "mistral"}, "model_type"),
        ({"hidden_act": "gelu"}, "hidden_act"),
        ({"attention_dropout": 0.1}, "attention_dropout"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_type"),
        ({"rope_parameters": {"rope_type": "llama3", "rope_theta": 5e5, "factor": 8.0}}, "rope_type"),
        ({"num_key_value_heads": 3}, "num_key_value_heads"),
        ({"hidden_size": 66}, "hidden_size"),
        ({"eos_token_id": 96}, "eos_token_id"),
        ({"eos_token_id": [1, 2]}, "eos_token_id"),
        ({"vocab_size": "many"}, "vocab_size"),
    ],
)
def test_what_is_not_implemented_is_refused_by_name(change: dict, named: str) -> None:
    with pytest.raises(ModelError, match=named):
        ModelConfig.from_hf(SMALL | change)


def test_a_missing_field_or_file_is_named(tmp_path) -> None:
    with pytest.raises(ModelError, match="hidden_size is missing"):
        ModelConfig.from_hf({k: v for k, v in SMALL.items() if k != "hidden_size"})
    with pytest.raises(ModelError, match="absent"):
        ModelConfig.from_hf(tmp_path / "absent.json")


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_round_trip_through_json(name: str) -> None:
    recipe = load_recipe(name)
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_recipe_from_a_file_with_fields_and_with_a_preset(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    tail = (
        '[data]\nsql="SELECT content FROM code"\ntokenizer="t.json"\nseq_len=32\nbatch_size=2\n[train]\nsteps=4\nlr=1\n'
    )
    path.write_text("[model]\n" + "".join(f"{k}={v}\n" for k, v in SMALL.items()) + tail)
    recipe = load_recipe(path)
    assert recipe.model == ModelConfig(**SMALL)
    assert recipe.train.lr == 1.0 and isinstance(recipe.train.lr, float)
    path.write_text('[model]\npreset="nano"\nvocab_size=500\n' + tail)
    assert load_recipe(str(path)).model == nano(500)


def test_overrides_replace_settings_by_full_or_unambiguous_name() -> None:
    changes = {"train.steps": "50", "lr": "1e-2", "model.vocab_size": "300", "betas": "[0.8, 0.9]", "sql": "SELECT 1"}
    recipe = load_recipe("nano", changes)
    assert (recipe.train.steps, recipe.train.lr, recipe.train.betas) == (50, 0.01, (0.8, 0.9))
    assert (recipe.model.vocab_size, recipe.data.sql) == (300, "SELECT 1")
    assert load_recipe("nano", {"preset": "tinyllama"}).model.hidden_size == 2048


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": "1"}, "data.seed or train.seed"),
        ({"stepz": "1"}, "did you mean steps"),
        ({"train.stepz": "1"}, "did you mean train.steps"),
        ({"train.steps": "many"}, "train.steps must be a whole number"),
        ({"train.steps": "1.5"}, "train.steps must be a whole number"),
        ({"train.steps": "true"}, "train.steps must be a whole number"),
        ({"train.steps": "0"}, "train.steps must be above 0"),
        ({"train.lr": "nan"}, "train.lr must be above 0"),
        ({"train.lr": "0.1", "train.min_lr": "0.2"}, "train.min_lr"),
        ({"train.schedule": "linear"}, '"cosine" or "wsd"'),
        ({"train.betas": "[0.9]"}, "list of 2 numbers"),
        ({"train.decay_fraction": "2"}, "train.decay_fraction"),
        ({"data.seq_len": "100000"}, "max_position_embeddings"),
        ({"preset": "nanoo"}, "did you mean nano"),
    ],
)
def test_a_wrong_setting_names_itself_and_what_was_wanted(changes: dict[str, str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_recipe("nano", changes)


def test_unknown_names_in_a_file_are_refused_with_the_nearest(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    for text, message in [
        ("[trian]\nsteps=1\n", "did you mean train"),
        ('[model]\npreset="nano"\nhiden_size=4\n', "did you mean hidden_size"),
        ("train=3\n", "must be a table"),
        ("[train\n", "not valid TOML"),
        ('[model]\npreset="nano"\n', "data.sql is missing"),
    ]:
        path.write_text(text)
        with pytest.raises(ModelError, match=message):
            load_recipe(path)
    with pytest.raises(ModelError, match=r"shipped recipes: .*nano"):
        load_recipe("nan0")


@given(st.dictionaries(st.sampled_from(["train.steps", "lr", "betas", "sql", "tie_word_embeddings"]), st.text()))
def test_any_override_text_gives_a_recipe_or_a_named_error(changes: dict[str, str]) -> None:
    try:
        recipe = load_recipe("nano", changes)
    except ModelError as error:
        assert any(name.split(".")[-1] in str(error) for name in changes)
    else:
        assert Recipe.from_dict(recipe.to_dict()) == recipe


def test_settings_are_frozen_and_reading_them_does_not_import_torch() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        nano().vocab_size = 3  # type: ignore[misc]
    code = "import sys, codelake.model.config as c; c.load_recipe('nano'); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
