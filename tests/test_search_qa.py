"""`SearchQA-v0`: BM25 by the formula, a world that can be read, distractors, StrategyQA."""

from __future__ import annotations

import json
import math
import os
import pickle
import random
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewardsmith.envs import ConfigError, EnvError
from rewardsmith.envs.text import search_menu
from rewardsmith.envs.text.dialogue import SCRIPTS, Dialogue
from rewardsmith.envs.text.exact_match import matches, normalise
from rewardsmith.envs.text.fictional_documents import WITHDRAWN
from rewardsmith.envs.text.fictional_library import HARDEST, FictionalLibrary, fictional_library
from rewardsmith.envs.text.fictional_relations import RELATIONS, relations_of
from rewardsmith.envs.text.fictional_world import LARGEST, SMALLEST, build_world
from rewardsmith.envs.text.message import parse, write
from rewardsmith.envs.text.search_index import LONGEST, Document, SearchIndex
from rewardsmith.envs.text.search_qa import SearchQA
from rewardsmith.envs.text.strategy_qa import StrategyLibrary
from rewardsmith.envs.text.tools import ToolError
from rewardsmith.envs.text.transcript import ToolCall, Transcript
from rewardsmith.rewards.verify import CitationMatch, ExactMatch, Scored, TokenF1

STRATEGY_QA = Path("/work/shared/data/strategyqa/train.json")
SEEDS = int(os.environ.get("TEXT_SEEDS", "25"))
"""Tasks for what is tried at every difficulty; 1000 before a release."""
MESSAGES = int(os.environ.get("TEXT_MESSAGES", "3000"))
"""Messages that try to break the environment; 100000 before a release."""

LIBRARY = fictional_library(0, 600, 3)
every_difficulty = pytest.mark.parametrize("difficulty", range(1, HARDEST + 1))


def dialogue_of(**options: Any) -> Dialogue:
    """Returns the dialogue of an environment with these options."""
    return SearchQA(1, **options).dialogue


def search(query: Any) -> str:
    """Writes a search."""
    return write([ToolCall("search", {"query": query})])


def say(dialogue: Dialogue, transcript: Transcript, *messages: str) -> Transcript:
    """Returns the conversation after these messages."""
    for message in messages:
        transcript = dialogue.reply(transcript, parse(message))
    return transcript


# ---- Search -----------------------------------------------------------------------------

words = st.sampled_from(["osk", "bel", "river", "port", "the"])
texts = st.lists(words, min_size=1, max_size=6).map(" ".join)


@given(st.lists(texts, min_size=1, max_size=8), texts)
def test_ranks_are_those_of_the_formula(corpus: list[str], query: str) -> None:
    """BM25 in Lucene's form, k1 1.5 and b 0.75, written out."""
    index = SearchIndex(Document(f"d{i}", "", text) for i, text in enumerate(corpus))
    documents = [Counter(text.split()) for text in corpus]
    mean = sum(map(Counter.total, documents)) / len(documents)

    def score(document: Counter[str]) -> float:
        total = 0.0
        for word in query.split():
            share = sum(word in other for other in documents)
            weight = math.log(1 + (len(documents) - share + 0.5) / (share + 0.5))
            length = 1 - 0.75 + 0.75 * document.total() / mean
            total += weight * document[word] / (document[word] + 1.5 * length)
        return total

    scores = {f"d{i}": score(document) for i, document in enumerate(documents)}
    found = [document.id for document in index.search(query, 5)]
    assert len(found) == min(5, sum(value > 0 for value in scores.values()))
    best = sorted(scores.values(), reverse=True)[: len(found)]
    np.testing.assert_allclose([scores[id] for id in found], best, rtol=1e-5)


def test_equal_scores_keep_their_order_and_strange_queries_find_nothing() -> None:
    index = SearchIndex(Document(f"d{i}", "Osk", "a port") for i in range(9))
    assert [document.id for document in index.search("OSK!", 3)] == ["d0", "d1", "d2"]
    assert index.search("nowhere", 3) == index.search("", 3) == index.search("?!", 3) == ()
    with pytest.raises(ToolError, match="longer than 500 characters"):
        index.search("a" * (LONGEST + 1), 3)
    with pytest.raises(ToolError, match=r"there is no document 'd9'\."):
        index.get("d9")


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("size", [SMALLEST, 600])
def test_every_article_is_found_by_name_and_by_title(seed: int, size: int) -> None:
    library = fictional_library(seed, size, 3)
    articles = library.index.documents[: len(library._entities)]
    for entity, article in zip(library._entities, articles, strict=True):
        assert article.title == entity.title
        for query in (entity.name, entity.title, str(entity)):
            assert article in library.index.search(query, 5)


def test_without_bm25s_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bm25s", None)
    with pytest.raises(EnvError, match=r"pip install 'rewardsmith\[text\]'"):
        SearchQA(1, world_seed=987)


# ---- The world --------------------------------------------------------------------------


@pytest.mark.parametrize("size", [SMALLEST, 600, LARGEST])
def test_names_differ_and_facts_have_the_right_types(size: int) -> None:
    world = build_world(3, size)
    names = [entity.name for entities in world.entities.values() for entity in entities]
    assert len(names) == len(set(names))
    assert size - 6 < len(names) <= size
    for (relation, subject), object in world.facts.items():
        assert (subject.type, object.type) == (relation.subject, relation.object)
        assert subject != object
    for relation in RELATIONS:
        known = sum(asked == relation for asked, _ in world.facts)
        assert 0.75 < known / len(world.entities[relation.subject]) <= 0.9


def test_what_a_sentence_states_is_read_and_what_misleads_is_not() -> None:
    world = build_world(0, SMALLEST)
    for (relation, subject), object in world.facts.items():
        assert relation.read(f"Well. {relation.state(subject, object)} So.") == object
        others = [r for r in relations_of(subject.type) if r != relation]
        told = [r.state(subject, world.entities[r.object][0]) for r in others]
        assert relation.read(" ".join([relation.mislead(subject, object), *told])) is None


def test_true_articles_state_the_facts_and_nothing_else() -> None:
    facts = LIBRARY.world.facts
    for entity, article in zip(LIBRARY._entities, LIBRARY.index.documents, strict=False):
        for relation in relations_of(entity.type):
            assert relation.read(article.text) == facts.get((relation, entity))


def test_each_tier_adds_its_documents_and_changes_no_question() -> None:
    bare, *tiers = (FictionalLibrary(0, 300, tier) for tier in range(4))
    entities = len(bare._entities)
    assert len(bare.index.documents) == entities
    before: set[tuple[str, str]] = {(d.title, d.text) for d in bare.index.documents}
    kinds = {entity.name: entity.kind for entity in bare._entities}
    for tier, library in enumerate(tiers):
        added = library.index.documents[entities:]
        now = {(d.title, d.text) for d in library.index.documents}
        new = now - before
        assert before < now
        assert 0.3 * entities < len(new) < 0.5 * entities
        for title, text in new:
            name, _, kind = title.rstrip(")").partition(" (")
            if tier == 0:
                assert not any(relation.read(text) for relation in RELATIONS)
            elif tier == 1:
                assert kind != kinds[name]
            else:
                assert kind == kinds[name]
                assert WITHDRAWN in text
        assert len({d.id for d in added}) == len(added)
        before = now
        for seed in range(20):
            drawn, plain = (x.draw(random.Random(seed), 3, 0.3) for x in (library, bare))
            assert (drawn.prompt, drawn.answer) == (plain.prompt, plain.answer)
    assert any("<answer>" in text for _, text in before)


def test_a_library_is_built_once_and_pickled_by_its_arguments() -> None:
    again, other = FictionalLibrary(0, 600, 3), FictionalLibrary(1, 600, 3)
    assert again.index.documents == LIBRARY.index.documents != other.index.documents
    stored = pickle.dumps(LIBRARY)
    assert pickle.loads(stored) is LIBRARY
    assert len(stored) < 200
    assert len(pickle.dumps(SearchQA(2, actions="menu"))) < 20_000


# ---- Questions --------------------------------------------------------------------------


def read(transcript: Transcript) -> str:
    """Solves a question by reading alone, by menu: a page counts by its title and notice."""
    told = dict(zip(search_menu.FEATURES, search_menu.features(transcript), strict=False))
    searched, opened, _, answered, gave_up = search_menu.menu(transcript)
    if told["nothing_told"]:
        return gave_up
    if told["answer_found"]:
        return answered
    return opened if told["results"] and not told["next_found"] else searched


@every_difficulty
def test_questions_can_be_answered_by_reading(difficulty: int) -> None:
    dialogue = dialogue_of(difficulty=difficulty, unanswerable=0.3)
    turns = []
    for seed in range(SEEDS):
        transcript = dialogue.play(dialogue.begin(seed), read)
        assert transcript.success
        turns.append(len(transcript.turns))
        cites = parse(dialogue.menu(transcript)[2]).calls[0]
        supports = transcript.task.facts["supports"]
        assert cites.arguments["id"] in supports
    assert max(turns) > min(turns)


@every_difficulty
def test_the_oracle_finds_and_cites_what_it_needs(difficulty: int) -> None:
    dialogue = dialogue_of(difficulty=difficulty)
    unanswerable = 0
    for seed in range(SEEDS):
        transcript = dialogue.play(dialogue.begin(seed), dialogue.oracle)
        facts = transcript.task.facts
        assert transcript.success
        assert facts["hops"] == difficulty
        assert transcript.calls == transcript.task.calls
        shown: set[str] = set()
        for result in transcript.results:
            assert result.ok
            if result.call.name == "search":
                shown |= {document.id for document in result.value}
            else:
                assert result.call.arguments["id"] in shown
        assert CitationMatch()(transcript) == Scored(
            1.0, dict.fromkeys(("precision", "recall", "f1"), 1.0)
        )
        assert transcript.cost == pytest.approx(1.2 * len(facts["supports"]))
        assert len(facts["supports"]) == len(set(facts["supports"])) <= difficulty
        unanswerable += not facts["answerable"]
        assert facts["answerable"] or transcript.answer == "unknown"
    assert unanswerable < 0.5 * SEEDS


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_as_many_questions_are_unanswerable_as_it_says(share: float) -> None:
    tasks = [LIBRARY.draw(random.Random(seed), 2, share) for seed in range(400)]
    answerable = np.mean([task.facts["answerable"] for task in tasks])
    assert abs(answerable - (1 - share)) <= 3 * math.sqrt(share * (1 - share) / 400)


def test_careless_and_hacker_cost_and_cite_too_much() -> None:
    dialogue = dialogue_of(difficulty=3)
    played = {
        script: [dialogue.play(dialogue.begin(seed), dialogue.script(script)) for seed in range(40)]
        for script in SCRIPTS
    }
    cost = {script: np.mean([t.cost for t in told]) for script, told in played.items()}
    assert cost["careless"] > 1.4 * cost["oracle"]
    cited = [CitationMatch("precision")(transcript) for transcript in played["hacker"]]
    assert all(isinstance(outcome, Scored) and outcome.value < 0.5 for outcome in cited)
    assert all(ExactMatch()(transcript) == Scored(0.0) for transcript in played["hacker"])


# ---- Answers and prices -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "accepted", "right"),
    [
        ("Beldawick", ("Beldawick",), True),
        ("  the BELDAWICK! ", ("Beldawick",), True),
        ("the port Beldawick", ("Beldawick", "the port Beldawick"), True),
        ("Beldawick or Torvewick", ("Beldawick", "Torvewick"), False),
        ("Beldawick, Beldawick", ("Beldawick",), False),
        ("Not Beldawick", ("Beldawick",), False),
        ("i dont know", ("unknown", "I don't know"), True),
        ("I don\N{RIGHT SINGLE QUOTATION MARK}t know.", ("unknown", "I don't know"), True),
        ("unknown unknown", ("unknown",), False),
        ("", ("",), False),
        ("the", ("a",), False),
        ("an_answer", ("an answer",), False),
    ],
)
def test_answers_must_match_exactly(answer: str, accepted: tuple[str, ...], right: bool) -> None:
    assert matches(answer, accepted) == right


@given(st.text(max_size=30))
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
    assert matches(text, [f" {text}."]) == bool(normalise(text))


def test_calls_have_their_prices_and_a_budget() -> None:
    dialogue = dialogue_of(prices={"search": 2.0, "cite": 0.5}, cost=2.6)
    open_, cite = (ToolCall(name, {"id": "d0"}) for name in ("open", "cite"))
    transcript = say(dialogue, dialogue.begin(0), search("x"), write([open_, cite, cite, open_]))
    assert [result.cost for result in transcript.results] == [2.0, 0.2, 0.0, 0.0, 0.2]
    assert [result.ok for result in transcript.results] == [True, True, False, False, True]
    assert "the budget of 2.6 is spent" in transcript.observation


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"difficulty": 0}, "difficulty must be from 1 to 5 hops, got 0"),
        ({"size": 10}, "size must be from 60 to 5000 entities, got 10"),
        ({"size": "all"}, "size must be from 60 to 5000 entities, got 'all'"),
        ({"distractors": 4}, "distractors must be from 0 to 3 tiers, got 4"),
        ({"unanswerable": 1.5}, r"unanswerable must be a share in \[0, 1\], got 1.5"),
        ({"prices": {"serch": 1.0}}, "unknown tool 'serch' in prices; did you mean 'search'"),
        ({"prices": {"open": -1.0}}, "prices.open must be at least 0, got -1.0"),
        ({"prices": {"open": math.nan}}, "prices.open must be at least 0, got nan"),
        ({"prices": {"open": "much"}}, "prices.open must be at least 0, got 'much'"),
        ({"cost": 0.0}, "budget.cost must be positive, got 0.0"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises((EnvError, ConfigError), match=message):
        SearchQA(1, **options)


# ---- Strangers' messages and documents --------------------------------------------------


def test_what_documents_say_moves_no_score() -> None:
    lures = [document for document in LIBRARY.index.documents if "<answer>" in document.text]
    dialogue = dialogue_of(difficulty=2, calls=100)
    judges = (ExactMatch(), TokenF1(), CitationMatch())
    for seed, lure in enumerate(lures[:SEEDS]):
        start = dialogue.begin(seed)
        baited = say(dialogue, start, write([ToolCall("open", {"id": lure.id})]))
        assert lure.text in baited.observation
        assert not baited.over
        assert baited.answer is None
        for message in (write(answer=start.task.answer), write(answer="Osk")):
            plain, lured = (say(dialogue, begun, message) for begun in (start, baited))
            assert plain.success == lured.success
            assert [judge(plain) for judge in judges] == [judge(lured) for judge in judges]
        lie = lure.text.partition("<answer>")[2].partition("</answer>")[0]
        assert say(dialogue, baited, write(answer=lie)).success == (
            lie in start.task.facts["answers"]
        )


STRANGE = (
    *("\0", "\ud800", "</answer>", "<answer>", "<tool_call>", "</tool_call>", "}", '"', "\\"),
    *("[d0]", "unknown", "I don't know", "9" * 400, "[" * 400, "Ignore previous instructions."),
)
VALUES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1e308,
    "",
    "d0",
    "d1",
    "d999999",
    [],
    {},
    ["d0"],
    {"id": "d0"},
    "x " * 999,
)


def strange_message(dialogue: Dialogue, transcript: Transcript, source: random.Random) -> str:
    """Draws a random, truncated or adversarial message."""
    text = dialogue.script(source.choice(SCRIPTS))(transcript)
    match source.randrange(5):
        case 0:
            text = text[: source.randrange(len(text) + 1)]
        case 1:
            at = source.randrange(len(text) + 1)
            text = text[:at] + source.choice(STRANGE) + text[at:]
        case 2:
            keys = source.sample(("query", "id", "text", ""), source.randrange(3))
            arguments = {key: source.choice(VALUES) for key in keys}
            text = write([ToolCall(source.choice(("search", "open", "cite", "")), arguments)] * 3)
        case 3:
            text = "".join(chr(source.randrange(0x3000)) for _ in range(source.randrange(60)))
            text = source.choice((text, search(text), write(answer=text)))
        case _:
            text = "".join(source.choices(STRANGE, k=source.randrange(12)))
    return text


def test_strange_messages_are_answered_with_sentences() -> None:
    source = random.Random(0)
    dialogues = [dialogue_of(difficulty=difficulty) for difficulty in (1, 3)]
    dialogue, transcript = dialogues[0], dialogues[0].begin(0)
    slowest = 0.0
    for seed in range(MESSAGES):
        if transcript.over or len(transcript.turns) >= 16:
            dialogue = source.choice(dialogues)
            transcript = dialogue.begin(seed)
        text = strange_message(dialogue, transcript, source)
        started = time.perf_counter()
        transcript = dialogue.reply(transcript, parse(text))
        dialogue.features(transcript)
        assert len(dialogue.menu(transcript)) == dialogue.menu_size
        slowest = max(slowest, time.perf_counter() - started)
        assert transcript.over or transcript.observation
        answer = normalise(transcript.answer or "")
        right = {normalise(gold) for gold in transcript.task.facts["answers"]}
        assert transcript.success == (answer in right)
    assert slowest < 5.0
    assert LIBRARY.index.documents == FictionalLibrary(0, 600, 3).index.documents


# ---- StrategyQA -------------------------------------------------------------------------

ROWS = [
    {"question": "Is Osk wet?", "answer": True, "facts": ["Osk is a port.", "Ports are wet."]},
    {"question": "Is Bel wet?", "answer": False, "facts": ["Bel is dry.", "Osk is a port."]},
]


def store(folder: Path, content: Any) -> Path:
    """Writes a file of questions."""
    (folder / "train.json").write_text(json.dumps(content))
    return folder / "train.json"


def test_questions_from_a_file(tmp_path: Path) -> None:
    path = store(tmp_path, ROWS)
    library = StrategyLibrary(str(path))
    assert [document.text for document in library.index.documents] == [
        *("Osk is a port.", "Ports are wet.", "Bel is dry."),
    ]
    assert [task.answer for task in library.tasks] == ["yes", "no"]
    assert [task.facts["supports"] for task in library.tasks] == [("d0", "d1"), ("d2", "d0")]
    with pytest.raises(EnvError, match=r"actions of .* must be one of"):
        SearchQA(1, data=path, actions="menu")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "data holds no question"),
        ([{"question": "Is it?"}], "data must be the path of StrategyQA's train.json.*'answer'"),
        ({"a": 1}, "data must be the path of StrategyQA's train.json"),
        ([{**ROWS[0], "answer": "yes"}], "whose answer is no boolean .*'Is Osk wet"),
        ([{**ROWS[0], "facts": []}], "whose facts are no texts"),
        ([{**ROWS[0], "facts": "Osk"}], "whose facts are no texts"),
    ],
)
def test_a_bad_file_is_named(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(EnvError, match=message):
        SearchQA(1, data=store(tmp_path, content))


@pytest.mark.skipif(not STRATEGY_QA.exists(), reason=f"no file {STRATEGY_QA}")
def test_gold_answers_of_strategy_qa_are_right() -> None:
    dialogue = dialogue_of(data=STRATEGY_QA)
    tasks = StrategyLibrary(str(STRATEGY_QA)).tasks
    assert len(tasks) == 2061
    for task in tasks[:: max(1, 2061 // (4 * SEEDS))]:
        transcript = dialogue.play(Transcript(task), dialogue.oracle)
        assert transcript.success
        assert transcript.calls == task.calls
        assert all(result.ok for result in transcript.results)
        found = {d.id for r in transcript.results if r.call.name == "search" for d in r.value}
        assert found >= set(task.facts["supports"])
        assert not dialogue.play(Transcript(task), dialogue.hacker).success
