"""The alert rules and the Grafana dashboard ask only for metrics that there are, in expressions that are sound."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.operate.sources import ROOT

ALERTS = ROOT / "deploy/prometheus-alerts.yml"
RULE_TESTS = ROOT / "tests/operate/alerts.yml"
DASHBOARD = ROOT / "deploy/grafana-dashboard.json"
_SUFFIX = re.compile(r"_(bucket|sum|count)$")


def _documented() -> set[str]:
    text = (ROOT / "docs/OPERATIONS.md").read_text(encoding="utf-8")
    return set(re.findall(r"`(process(?:or)?_[a-z_]+)", text))


def _expressions() -> Iterator[str]:
    yield from re.findall(r"^        expr: (.+)$", ALERTS.read_text(encoding="utf-8"), re.MULTILINE)
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        yield from (target["expr"] for target in panel["targets"])


@pytest.mark.parametrize("expression", list(_expressions()))
def test_an_expression_asks_for_metrics_that_there_are(expression: str) -> None:
    asked = {_SUFFIX.sub("", name) for name in re.findall(r"process(?:or)?_[a-z_]+", expression)}
    assert asked <= _documented()
    assert expression.count("(") == expression.count(")")
    assert expression.count("{") == expression.count("}")


def test_every_alert_says_what_is_the_matter_and_what_to_do() -> None:
    for rule in ALERTS.read_text(encoding="utf-8").split("- alert: ")[1:]:
        for part in ("expr: ", "labels: {severity: ", "summary: ", "description: "):
            assert part in rule, rule


def test_every_metric_is_shown_or_watched() -> None:
    text = "\n".join(_expressions())
    assert {name for name in _documented() if name not in text} == set()


def test_prometheus_itself_takes_the_rules_and_the_board_s_expressions(promtool: str, tmp_path: Path) -> None:
    rules = [{"record": f"board:{number}", "expr": _plain(each)} for number, each in enumerate(_expressions())]
    board = tmp_path / "board.json"  # JSON is YAML
    board.write_text(json.dumps({"groups": [{"name": "board", "rules": rules}]}))
    checked = subprocess.run([promtool, "check", "rules", ALERTS, board], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_alerts_fire_when_they_should_and_say_whole_numbers(promtool: str, tmp_path: Path) -> None:
    for path in (ALERTS, RULE_TESTS):
        shutil.copy(path, tmp_path)
    command = [promtool, "test", "rules", RULE_TESTS.name]
    tested = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_every_alert_has_a_rule_test_in_which_it_fires() -> None:
    tests = re.split(r"^      - ", RULE_TESTS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    fired = {name for each in tests if "exp_labels" in each for name in re.findall(r"alertname: (\w+)", each)}
    assert fired == set(re.findall(r"- alert: (\w+)", ALERTS.read_text(encoding="utf-8")))


def test_the_board_s_panels_have_their_own_places_and_ask_the_chosen_source() -> None:
    board = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    panels = board["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _y in cells) < 24
        taken |= cells
        assert panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for target in panel["targets"]:
            assert 'instance=~"$instance"' in target["expr"], panel["title"]
            assert target["datasource"] == panel["datasource"]
    assert {each["name"] for each in board["templating"]["list"]} == {"datasource", "instance"}


@pytest.fixture
def promtool() -> str:
    """Prometheus' own tool, which tests/install-programs.sh brings."""
    found = shutil.which("promtool") or shutil.which("promtool", path=ROOT / ".venv/bin")
    if found is None:
        pytest.skip("promtool is not there (tests/install-programs.sh; Debian: prometheus)")
    return found


def _plain(expression: str) -> str:
    return expression.replace("$__rate_interval", "5m").replace("$instance", ".*")
