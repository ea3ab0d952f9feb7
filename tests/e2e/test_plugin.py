"""Tests the choice of Pulumi's AWS plugin in place of the local cloud's own provider.

The plugin is a download, so a script stands in for it: it notes that it was started and runs the embedded provider.
"""

from importlib.metadata import version
from pathlib import Path

import pytest

pytestmark = pytest.mark.local


@pytest.fixture
def installed(clone, tmp_path: Path) -> Path:
    """A PULUMI_HOME with the plugin; the file `started` is in it once an engine has used the plugin."""
    name = f"plugins/resource-aws-v{version('pulumi-aws')}/pulumi-resource-aws"
    plugin = tmp_path / name
    plugin.parent.mkdir(parents=True)
    plugin.write_text(f'#!/bin/sh\ntouch "{tmp_path}/started"\nexec "{clone.path}/.local/pulumi/{name}" "$@"\n')
    plugin.chmod(0o700)
    return tmp_path


def test_a_plugin_that_is_not_installed_is_refused(clone, tmp_path: Path) -> None:
    done = clone.inv("local-env", "--provider", "plugin", PULUMI_HOME=str(tmp_path))
    assert done.code == 1
    assert f"is not installed in {tmp_path}: pulumi plugin install resource aws v{version('pulumi-aws')}" in done.said


def test_an_unknown_provider_is_refused(clone) -> None:
    done = clone.inv("local-env", "--provider", "real")
    assert done.code == 1
    assert "there is no provider 'real'; there are: embedded, plugin" in done.said


def test_the_chosen_provider_stays_in_use_until_another_is_chosen(clone, installed: Path) -> None:
    used = installed / "started"
    chosen = clone.inv("local-env", "--provider", "plugin", PULUMI_HOME=str(installed))
    assert f"export PULUMI_HOME={installed}\n" in chosen.out, chosen.said
    assert clone.inv("up", "network", PULUMI_HOME=str(installed)).code == 0
    assert used.exists()
    used.unlink()
    back = clone.inv("local-env", "--provider", "embedded", PULUMI_HOME=str(installed))
    assert f"export PULUMI_HOME={clone.path}/.local/pulumi\n" in back.out
    assert "succeeded" in clone.inv("up", "network", PULUMI_HOME=str(installed)).out
    assert not used.exists()


def test_a_removed_plugin_is_reported(clone, installed: Path) -> None:
    clone.inv("local-env", "--provider", "plugin", PULUMI_HOME=str(installed))
    (installed / "plugins").rename(installed / "gone")
    done = clone.inv("status", PULUMI_HOME=str(installed))
    assert done.code == 1
    assert "go back with ./inv local-env --provider embedded" in done.said
    assert clone.inv("local-env", "--provider", "embedded", PULUMI_HOME=str(installed)).code == 0
