"""The page stands alone, says what the runs say, and survives odd names and missing parts."""

from __future__ import annotations

import csv
import io
import itertools
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from rich.console import Console
from synthetic_runs import (
    LEARNERS,
    draw_rollout,
    write_plan,
    write_run,
    write_suite,
    write_transcripts,
)

from rewardsmith.agents.records import load_comparison
from rewardsmith.agents.report import print_table, write_report
from rewardsmith.agents.report.canvas import Palette, new_figure, spread, style, to_svg
from rewardsmith.agents.report.language import split
from rewardsmith.agents.report.page import PictureBudget
from rewardsmith.envs.errors import ConfigError

VOID = {"meta", "link", "img", "br", "hr", "input", "base", "source", "wbr"}
HOSTILE = "<script>alert(\"x\")</script> $\\frac{a}{b}$ & 'q'"


class Page(HTMLParser):
    """Reads a page, holding it to balanced tags; keeps its tags, attributes, ids and text."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not (self.open and self.open[-1] == "style"):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.attributes if key == name]


def read(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_suite(tmp_path_factory.mktemp("runs") / "suite")
    write_run(folder / "key_door/sparse/seed_5", curve=[0.0] * 21, state="failed")
    return write_report(folder)


def test_the_page_needs_no_other_file(suite: Path) -> None:
    html = suite.read_text()
    assert not re.search(r"https?://", html)
    assert "@import" not in html
    assert "url(" not in re.sub(r"url\(#", "", html)
    page = Page(html)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert all(src.startswith("data:image/") for src in page.values("src"))
    assert all(href.startswith("#") for href in page.values("href"))
    assert suite.stat().st_size < 5_000_000


def test_ids_are_unique_and_every_reference_finds_one(suite: Path) -> None:
    page = read(suite)
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    referred = {href[1:] for href in page.values("href")}
    referred |= set(re.findall(r"url\(#([^)]+)\)", suite.read_text()))
    assert referred <= set(ids)


def test_the_page_says_what_the_runs_say(suite: Path) -> None:
    text = read(suite).text
    assert "Train on potential: success 1.00 against 0.22 with sparse." in text
    assert "potential beats sparse: success 1.00 vs 0.22" in text
    assert "in 5 of 5 runs it earns at least what the solver does" in text
    assert text.count("train on this") == 2
    assert "Fetch the key, open the door and reach the goal." in text
    assert "Not in these numbers: 1 of 41 runs (1 failed)." in text
    assert "ValueError: the reward of term 'near' is NaN" in text
    for design in LEARNERS:
        assert text.count(design) >= 10
    for package in ("gymnasium 1.4.0", "numpy 2.4.6"):
        assert package in text


def test_every_figure_is_described(suite: Path) -> None:
    page = read(suite)
    drawings = page.tags.count("svg")
    assert drawings == 2 * 6 + 1
    assert page.values("role").count("img") == drawings
    assert all(len(alt) > 20 for alt in page.values("alt") + page.values("aria-label"))
    assert page.tags.count("figcaption") == drawings
    assert page.tags.count("img") == len(page.values("alt")) == 2 * 4 * 2


def test_figures_take_their_colours_from_the_page(suite: Path) -> None:
    html = suite.read_text()
    assert not re.search(r"#[de]0000\d", html)
    used = set(re.findall(r"var\((--[\w-]+)\)", html))
    defined = set(re.findall(r"(--[\w-]+):", html))
    assert used <= defined
    assert {"--design-0", "--design-1", "--design-2", "--design-3"} <= used


def test_summary_has_a_row_per_task_and_design(suite: Path) -> None:
    with (suite.parent / "summary.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(r["task"], r["design"]) for r in rows] == [
        (task, design) for task in ("key_door", "point_maze") for design in LEARNERS
    ]
    by_design = {r["design"]: r for r in rows if r["task"] == "key_door"}
    assert by_design["sparse"]["diff"] == ""
    assert by_design["potential"]["verdict"] == "better"
    assert float(by_design["potential"]["diff_low"]) > 0
    assert float(by_design["potential"]["p_value"]) == pytest.approx(2 / 252)
    assert by_design["potential"]["reached"] == "5"
    assert by_design["progress"]["steps_to_threshold"] == "inf"
    assert by_design["progress"]["suspected_hacking"] == "5"


def test_the_same_runs_give_the_same_page(suite: Path) -> None:
    before = suite.read_bytes()
    assert write_report(suite.parent).read_bytes() == before


@pytest.mark.parametrize("width", [80, 200])
def test_the_terminal_table_has_the_same_numbers(suite: Path, width: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO())
    print_table(load_comparison(suite.parent), console)
    text = console.export_text()
    assert "Train on potential: success 1.00 against 0.22 with sparse." in text
    assert "1 run not in these numbers: 1 failed." in text
    seeds = r"5\s+" if width == 200 else ""
    assert re.search(rf"potential\s+{seeds}1\.00 \[1\.00, 1\.00\]\s+\+0\.78 \[0\.\d\d, ", text)
    assert ("P(better)" in text) == (width == 200)


def test_one_run_alone_makes_a_report(tmp_path: Path) -> None:
    folder = write_run(
        tmp_path / "key_door/near/seed_0",
        curve=[0.0, 0.5, 0.9],
        designed=[0, 1, 2],
        terms={"near": [0, 1, 2]},
    )
    page = read(write_report(folder))
    assert "near reaches success 0.90; no other design was trained." in page.text
    assert "A single seed gives no interval" in page.text
    assert "Probability of improvement" not in page.text
    assert page.tags.count("svg") == 5
    assert (folder / "summary.csv").exists()


def test_a_single_evaluation_point_is_enough(tmp_path: Path) -> None:
    for design in ("sparse", "near"):
        write_run(tmp_path / f"door/{design}/seed_0", curve=[0.5], designed=[1.0])
    assert "too few seeds to tell near from sparse" in read(write_report(tmp_path)).text


def test_hostile_names_are_text(tmp_path: Path) -> None:
    design = HOSTILE.replace("/", "|")  # a folder cannot hold a slash
    write_plan(tmp_path, ["door"], ["sparse", design], range(2))
    card = {"id": HOSTILE, "goal": HOSTILE, "success": HOSTILE, "time_limit": 5}
    for name in ("sparse", design):
        for seed in range(2):
            folder = write_run(
                tmp_path / "door" / name / f"seed_{seed}",
                curve=[0.0, 0.5],
                designed=[0, 3],
                terms={HOSTILE: [0, 3]},
                card=card,
                config={"reward": {"name": HOSTILE}},
            )
            draw_rollout(folder, reaches=True)
    page = read(write_report(tmp_path))
    assert "script" not in page.tags
    assert design in page.text
    assert HOSTILE in page.text
    console = Console(width=200, record=True, file=io.StringIO())
    write_run(tmp_path / "door/[red]bold[" / "seed_0", curve=[0.0, 0.5], card=card)
    print_table(load_comparison(tmp_path), console)
    assert "[red]bold[" in console.export_text()


def test_many_designs_and_many_terms_fit(tmp_path: Path) -> None:
    for k in range(11):
        terms = {f"term_{i}": [0.0, float(i)] for i in range(9)}
        write_run(
            tmp_path / f"door/design_{k:02}/seed_0",
            curve=[0.0, k / 10],
            designed=[0, k + 1],
            terms=terms,
        )
    text = read(write_report(tmp_path)).text
    assert "3 smaller terms not shown" in text
    assert "design_10" in text


def write_bandits(folder: Path, **more: list[float]) -> Path:
    """Writes runs of two agents with regret 0, 30, 40 and further columns."""
    write_plan(folder, ["bandit"], ["ucb1", "moss"], range(2), baseline="ucb1")
    for design, bound in (("ucb1", 50.0), ("moss", 4000.0)):
        for seed in range(2):
            write_run(
                folder / f"bandit/{design}/seed_{seed}",
                score="return",
                curve=[0.0, 50.0, 120.0],
                more={"regret": [0.0, 30.0, 40.0], **more},
                bound=bound,
            )
    return folder


def test_bounds_are_named_and_do_not_squash_the_regret(tmp_path: Path) -> None:
    page = read(write_report(write_bandits(tmp_path)))
    assert "bound of ucb1: 50 " in page.text
    assert "bound of moss: 4,000, above the picture" in page.text
    assert "4000" not in page.text
    assert "Arms played over time" not in page.text
    assert "Policy regret" not in page.text
    assert page.tags.count("svg") == 3


def test_arms_and_policy_regret_are_shown_where_the_runs_tell(tmp_path: Path) -> None:
    shares = {"pulls/arm 4 (best)": [0.5, 0.7, 0.97], "pulls/arm 2": [0.5, 0.3, 0.03]}
    folder = write_bandits(tmp_path, policy_regret=[0.0, 20.0, 30.0], **shares)
    page = read(write_report(folder))
    assert page.tags.count("svg") == 5
    assert "Policy regret" in page.text
    assert page.text.count("arm 4 (best)") == 2
    assert "arm 2" not in page.text  # too small to be named
    descriptions = " ".join(page.values("aria-label"))
    assert "Share of the plays at the end, arm 4 (best): ucb1 97%, moss 97%." in descriptions
    assert "Policy regret over training steps. At the end: ucb1 30, moss 30." in descriptions


def test_arms_are_left_out_where_the_runs_tell_of_different_ones(tmp_path: Path) -> None:
    folder = write_bandits(tmp_path, **{"pulls/arm 0": [1.0, 1.0, 1.0]})
    write_run(
        folder / "bandit/moss/seed_1",
        score="return",
        curve=[0.0, 50.0, 120.0],
        more={"regret": [0.0, 30.0, 40.0], "pulls/arm 1": [1.0, 1.0, 1.0]},
    )
    page = read(write_report(folder))
    assert "Arms played over time" not in page.text
    assert "bound of moss" not in page.text  # one of its runs has none
    assert "bound of ucb1" in page.text


def test_regret_below_zero_is_shown(tmp_path: Path) -> None:
    folder = write_bandits(tmp_path)
    for seed in range(2):
        write_run(
            folder / f"bandit/moss/seed_{seed}",
            score="return",
            curve=[0.0, 50.0, 120.0],
            more={"regret": [0.0, -30.0, -80.0]},
        )
    page = read(write_report(folder))
    assert "\N{MINUS SIGN}" in page.text


# ---- Language models ------------------------------------------------------------------------


def write_speakers(folder: Path, abstained: float = 0.0, **said: str | int) -> Path:
    """Writes runs of two language models that tell how training went, and transcripts."""
    write_plan(folder, ["sums"], ["grpo", "tempo"], range(2), baseline="grpo")
    nothing = float("nan")  # nothing was learned yet at the first evaluation
    for design, seed in itertools.product(("grpo", "tempo"), range(2)):
        run = write_run(
            folder / f"sums/{design}/seed_{seed}",
            curve=[0.0, 0.5, 0.75],
            config={"agent": {"name": design, "algorithm": "llm"}},
            more={
                "train/entropy": [nothing, 0.5, 0.25],
                "train/no_signal": [nothing, 0.0, 1.0],
                "train/abstained": [nothing, 0.0, abstained],
            },
        )
        write_transcripts(run, **said)  # type: ignore[arg-type]
    return write_report(folder)


def test_what_a_model_says_is_a_conversation(tmp_path: Path) -> None:
    html = write_speakers(tmp_path).read_text()
    page = Page(html)
    assert page.text.count("✓ right") == 4  # two of each design, the second folded away
    assert page.text.count("✕ wrong") == 2
    assert page.text.count("1 more of ") == 2
    assert html.count('<span class="think">Hm.</span>') == 6
    assert html.count('<span class="call">calculator(expression=&#34;18+76&#34;)</span>') == 6
    assert html.count('<span class="answer">Hm.</span>') == 6
    assert html.count('<div class="said tool">94</div>') == 6
    assert "+0.125" in page.text
    assert "the answer is Hm." in page.text


def test_the_lens_colours_turns_and_tokens_by_their_credit(tmp_path: Path) -> None:
    html = write_speakers(tmp_path).read_text()
    page = Page(html)
    # 0.75 of 3 at most has half of the full tint; equal neighbours are one piece of text.
    assert html.count('<td class="more" style="--a: 28%" title="+0.75">+0.75</td>') == 4
    joined = '<span class="more" style="--a: 40%" title="+1.5">Hm. b</span>'
    assert html.count(f'{joined}<span class="less" style="--a: 56%" title="-3">c</span>') == 4
    assert html.count("Hm. bc…") == 4
    assert "TEMPO trained with this" in page.text
    assert "✓ the advantages of a group sum to 0 (exactly)" in page.text
    assert "Not for this batch: IGPO (It needs 'belief')." in page.text
    assert "wrong in the end; paid within its group of 3 rollouts: 2 × 1 and 0.5" in page.text


def test_what_a_model_writes_is_text(tmp_path: Path) -> None:
    report = write_speakers(tmp_path, text=HOSTILE, reply=HOSTILE)
    page = read(report)
    assert not {"script", "link", "iframe", "object", "b>"} & set(page.tags)
    assert page.text.count(HOSTILE) >= 20
    assert "alert" not in " ".join(page.values("style") + page.values("class"))
    html = report.read_text()
    used = set(re.findall(r"var\((--[\w-]+)\)", html))
    assert used <= set(re.findall(r"(--[\w-]+):", html))


def test_long_text_is_folded(tmp_path: Path) -> None:
    text = read(write_speakers(tmp_path, text="word " * 200)).text
    assert "word…" in text or "wor…" in text
    assert text.count("word") > 200


def test_how_the_training_of_a_model_went(tmp_path: Path) -> None:
    page = read(write_speakers(tmp_path))
    assert "groups without signal" in page.text
    assert "entropy and groups without signal over training." in page.values("aria-label")
    assert page.text.count("training rollouts") == 2 + 4  # twice in words, on four axes
    assert "training steps" not in page.text
    assert "Rollouts to half way" in page.text
    page = read(write_speakers(tmp_path, abstained=0.25))
    assert "entropy, groups without signal and abstained over training." in page.values(
        "aria-label"
    )


def test_others_are_counted_in_steps(suite: Path) -> None:
    text = read(suite).text
    assert "training rollouts" not in text
    assert "training steps" in text
    assert "What it says" not in text
    assert "Credit lens" not in text
    assert "How training went" not in text


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"transcripts": 5}', b"\xff", b'{"transcripts": [{}]}']
)
def test_a_report_does_without_damaged_transcripts(tmp_path: Path, content: bytes) -> None:
    folder = write_run(tmp_path / "sums/grpo/seed_0", curve=[0.0, 0.5])
    (folder / "transcripts.json").write_bytes(content)
    text = read(write_report(folder)).text
    assert "What it says" not in text
    assert "grpo reaches success 0.50" in text


@pytest.mark.parametrize(
    ("said", "pieces"),
    [
        ("", []),
        ("<answer>3", [("text", "<answer>3")]),
        ("<think> a\nb </think>", [("think", "a\nb")]),
        ("x<tool_call>{</tool_call>y", [("text", "x"), ("call", "{"), ("text", "y")]),
        (
            '<tool_call>{"name": "f"}\n{"name": "g", "arguments": {"a": "b"}}</tool_call>',
            [("call", 'f()\ng(a="b")')],
        ),
        ("<think>a</answer>", [("text", "<think>a</answer>")]),
    ],
)
def test_a_message_is_cut_into_what_it_holds(said: str, pieces: list[tuple[str, str]]) -> None:
    assert [(piece.kind, piece.text) for piece in split(said)] == pieces


# ---- Parts ----------------------------------------------------------------------------------


def test_without_a_finished_run_there_is_no_report(tmp_path: Path) -> None:
    write_run(tmp_path / "door/sparse/seed_0", curve=[0.0], state="failed")
    write_run(tmp_path / "door/sparse/seed_1", curve=[0.0], state="running")
    with pytest.raises(ConfigError, match=r"1 failed, 1 running.*term 'near' is NaN"):
        write_report(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_pictures_stop_at_the_budget(tmp_path: Path) -> None:
    picture = tmp_path / "rollout.png"
    picture.write_bytes(b"x" * 60)
    budget = PictureBudget(100)
    assert budget.embed(picture, "png").startswith("data:image/png;base64,eHh4")
    assert budget.embed(picture, "png") == ""
    assert budget.embed(tmp_path / "missing.png", "png") == ""


def test_palette_greys_the_baseline_and_tells_eight_designs_apart() -> None:
    palette = Palette(tuple("abcdefgh"), "c")
    assert palette.variable("c") == "--design-0"
    assert len({palette.variable(d) for d in "abcdefgh"}) == 8
    many = Palette(tuple("abcdefghijklmno"), None)
    assert len({(many.variable(d), str(many.dash(d))) for d in many.designs}) == 15


def test_labels_are_pushed_apart_and_stay_in_order() -> None:
    places = spread([0.5, 0.5, 0.1, 0.51, 0.99], 0.1)
    ordered = sorted(places)
    assert all(b - a >= 0.1 - 1e-9 for a, b in itertools.pairwise(ordered))
    assert places[2] == 0.1
    assert places[0] < places[1] < places[3] < places[4] <= 1.0


def test_svg_keeps_a_name_that_looks_like_a_colour() -> None:
    with style():
        figure = new_figure(100, 100)
        figure.text(0.5, 0.5, "#d00001 <b>")
        svg = to_svg(figure, "x", 'a "b" <c>')
    assert "#d00001 &lt;b&gt;" in svg
    assert 'aria-label="a &quot;b&quot; &lt;c&gt;"' in svg
    assert "var(--ink)" in svg


def test_reading_verdicts_does_not_load_matplotlib() -> None:
    code = (
        "import sys, rewardsmith.agents.report, rewardsmith.agents.answer; "
        "assert not {'matplotlib', 'torch', 'stable_baselines3'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
