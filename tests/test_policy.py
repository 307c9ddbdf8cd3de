"""Log-probabilities, their gradients, and how policies are loaded."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from language_models import ARCHITECTURES, VOCABULARY, model, policy
from transformers import CohereConfig, CohereForCausalLM, GPT2Config, GPT2LMHeadModel

from rewardsmith.agents.llm import policy as policy_module
from rewardsmith.agents.llm.policy import Policy
from rewardsmith.agents.llm.tiny import character_tokenizer, tiny_model
from rewardsmith.envs.errors import ConfigError


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def batch(rows: int = 3, length: int = 12, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    random = np.random.default_rng(seed)
    ids = torch.from_numpy(random.integers(0, VOCABULARY, (rows, length)))
    return ids, torch.ones_like(ids)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_scores_are_the_model_s_own(name: str, temperature: float) -> None:
    made, (ids, mask) = policy(name), batch()
    with torch.no_grad():
        logprobs, entropies = made.logprobs(ids, mask, temperature, want_entropy=True)
        whole = torch.log_softmax(made.model(input_ids=ids).logits[:, :-1] / temperature, -1)
    torch.testing.assert_close(logprobs, whole.gather(-1, ids[:, 1:, None])[..., 0])
    torch.testing.assert_close(entropies, torch.distributions.Categorical(logits=whole).entropy())
    torch.testing.assert_close(logprobs, made.logprobs(ids, mask, temperature))


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("name", ARCHITECTURES)
def test_padding_on_either_side_changes_no_score(name: str, side: str) -> None:
    made, (ids, mask) = policy(name), batch(1)
    width = (4, 0) if side == "left" else (0, 4)
    padded = made.logprobs(*(torch.nn.functional.pad(part, width) for part in (ids, mask)))
    kept = padded[:, 4:] if side == "left" else padded[:, :-4]
    torch.testing.assert_close(kept, made.logprobs(ids, mask))


@pytest.mark.parametrize("options", [{}, {"gradient_checkpointing": True}])
def test_gradients_in_pieces_equal_those_of_the_whole(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, mask = batch()
    plain, pieces = policy("tiny"), policy("tiny", **options)
    logits = plain.model(input_ids=ids).logits[:, :-1].log_softmax(-1)
    (logits.gather(-1, ids[:, 1:, None]).sum() - 0.1 * (logits.exp() * logits).sum()).backward()
    monkeypatch.setattr(policy_module, "_CHUNK", 5 * VOCABULARY)
    logprobs, entropies = pieces.logprobs(ids, mask, want_entropy=True)
    (logprobs.sum() + 0.1 * entropies.sum()).backward()
    for here, there in zip(plain.model.parameters(), pieces.model.parameters(), strict=True):
        torch.testing.assert_close(here.grad, there.grad, rtol=1e-4, atol=1e-4)


def test_logits_are_never_in_memory_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made, (ids, mask) = policy("tiny"), batch(4, 20)
    monkeypatch.setattr(policy_module, "_CHUNK", 7 * VOCABULARY)
    sizes: list[int] = []
    head = made.causal_lm.get_output_embeddings()
    head.register_forward_hook(lambda module, given, logits: sizes.append(len(logits)))
    made.logprobs(ids, mask).sum().backward()
    assert max(sizes) == 7
    assert sum(sizes) == 2 * 4 * 19  # forward, and again in the backward pass


def test_checkpointing_runs_every_layer_again_in_the_backward_pass() -> None:
    made, (ids, mask) = policy("tiny", gradient_checkpointing=True), batch()
    runs: list[int] = []
    for i, layer in enumerate(made.causal_lm.model.layers):
        layer.mlp.register_forward_pre_hook(lambda *_, i=i: runs.append(i))
    logprobs = made.logprobs(ids, mask)
    assert runs == [0, 1]
    logprobs.sum().backward()
    assert runs == [0, 1, 1, 0]


def test_dropout_is_off_even_while_gradients_are_checkpointed() -> None:
    config = GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=2, n_head=4, n_positions=32)
    made = GPT2LMHeadModel(config)
    dropping = Policy(made, character_tokenizer(), device="cpu", gradient_checkpointing=True)
    ids, mask = batch()
    torch.testing.assert_close(dropping.logprobs(ids, mask), dropping.logprobs(ids, mask))
    assert not made.training


def test_temperature_zero_gets_a_sentence() -> None:
    with pytest.raises(ConfigError, match="temperature must be above 0 to score tokens, got 0"):
        policy("tiny").logprobs(*batch(), temperature=0.0)


def test_a_saved_model_loads_by_its_folder(tmp_path: Path) -> None:
    model("qwen2").save_pretrained(tmp_path)
    character_tokenizer().save_pretrained(tmp_path)
    loaded = Policy.load(str(tmp_path), device="cpu")
    torch.testing.assert_close(loaded.logprobs(*batch()), policy("qwen2").logprobs(*batch()))
    assert loaded.context == 64


def test_a_missing_model_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot load the model .*'tiny' for one made"):
        Policy.load(str(tmp_path / "nothing"))


def test_tiny_settings_are_for_tiny_only(tmp_path: Path) -> None:
    assert Policy.load("tiny", device="cpu", hidden=16, heads=2).causal_lm.config.hidden_size == 16
    with pytest.raises(ConfigError, match="hidden can be set for the model 'tiny' only"):
        Policy.load(str(tmp_path), hidden=16)
    with pytest.raises(ConfigError, match="hidden=20 does not split into 4 heads"):
        tiny_model(character_tokenizer(), hidden=20)


def test_a_tiny_model_is_the_same_again_and_leaves_torch_s_random_state() -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, second = (tiny_model(character_tokenizer()) for _ in range(2))
    assert torch.rand(3).equal(expected)
    assert all(a.equal(b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_adapters_alone_are_trained() -> None:
    pytest.importorskip("peft")
    adapted = Policy.load("tiny", device="cpu", lora_rank=2)
    plain = Policy.load("tiny", device="cpu")
    ids, mask = batch()
    logprobs = adapted.logprobs(ids, mask)
    torch.testing.assert_close(logprobs, plain.logprobs(ids, mask))  # adapters start at zero
    logprobs.sum().backward()
    trained = {name for name, p in adapted.model.named_parameters() if p.grad is not None}
    assert trained
    assert all("lora_" in name for name in trained)


def test_adapters_without_peft_get_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match="lora_rank=2 needs the package peft"):
        Policy.load("tiny", lora_rank=2)


def test_a_model_that_rescales_its_logits_gets_a_sentence() -> None:
    shape = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
    config = CohereConfig(vocab_size=VOCABULARY, intermediate_size=32, logit_scale=0.1, **shape)
    with pytest.raises(ConfigError, match="'cohere' rescales its logits"):
        Policy(CohereForCausalLM(config), character_tokenizer(), device="cpu")
