"""Reports as a user asks for them."""

import pytest

pytestmark = pytest.mark.local


def test_a_preview_leaves_a_page_and_markdown(clone) -> None:
    done = clone.inv("preview-all", "--only", "network,security", "--report", "made/report")
    assert done.code == 0, done.said
    assert "report: made/report/report.html, made/report/report.md" in done.err
    page = (clone.path / "made/report/report.html").read_text()
    assert "<title>preview-all local: changes</title>" in page
    assert "### ~ preview-all local" in (clone.path / "made/report/report.md").read_text().replace("&#126;", "~")


def test_the_report_of_a_failed_deploy_names_failed_and_skipped_layers(clone) -> None:
    with clone.source("projects/security/__main__.py", '"""', 'raise ValueError("no keys today")\n"""'):
        assert clone.inv("deploy-all", "--only", "security,streaming", "--report", "failed").code == 1
    text = (clone.path / "failed/report.md").read_text()
    assert "| security | ✕ failed |" in text
    assert "| streaming | » skipped |" in text
    assert "no keys today" in text


def test_the_graph_and_the_status_tell_the_same(clone) -> None:
    assert "(never)" not in clone.inv("graph").out
    drawn = clone.inv("graph", "--env", "local").out
    assert "security    reads nothing  (failed)" in drawn
    assert "network     reads nothing  (never)" in drawn


def test_the_report_of_a_destroy_counts_what_is_gone(clone) -> None:
    assert clone.inv("up", "network").code == 0
    assert clone.inv("destroy-all", "--report", "gone").code == 0
    text = (clone.path / "gone/report.md").read_text()
    assert "destroy-all local: succeeded" in text
    assert "| network | ✓ succeeded | 37 delete |" in text
