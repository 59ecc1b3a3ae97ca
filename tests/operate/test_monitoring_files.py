"""The alert rules and the Grafana dashboard ask only for metrics that there are, in expressions that are sound."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.operate.sources import ROOT

ALERTS = ROOT / "deploy/prometheus-alerts.yml"
DASHBOARD = ROOT / "deploy/grafana-dashboard.json"
_SUFFIX = re.compile(r"_(bucket|sum|count)$")


def _documented() -> set[str]:
    text = (ROOT / "docs/OPERATIONS.md").read_text(encoding="utf-8")
    return set(re.findall(r"`(processor_[a-z_]+)", text))


def _expressions() -> Iterator[str]:
    yield from re.findall(r"^        expr: (.+)$", ALERTS.read_text(encoding="utf-8"), re.MULTILINE)
    for panel in json.loads(DASHBOARD.read_text(encoding="utf-8"))["panels"]:
        yield from (target["expr"] for target in panel["targets"])


@pytest.mark.parametrize("expression", list(_expressions()))
def test_an_expression_asks_for_metrics_that_there_are(expression: str) -> None:
    asked = {_SUFFIX.sub("", name) for name in re.findall(r"processor_[a-z_]+", expression)}
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


def test_prometheus_itself_takes_the_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool (Debian: prometheus) is not installed")
    checked = subprocess.run([promtool, "check", "rules", ALERTS], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
