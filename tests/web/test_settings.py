"""Where metrics are told: off unless asked for, by flag, variable or file."""

from pathlib import Path

import pytest

from higgins.model.errors import Unfit
from higgins.settings import Flags, load


def test_metrics_are_off_unless_asked_for() -> None:
    assert load(Flags(), {}, None).web.metrics == ""


def test_a_flag_is_stronger_than_the_variable_and_that_than_the_file(tmp_path: Path) -> None:
    (tmp_path / "higgins.toml").write_text('[web]\nmetrics = "127.0.0.1:1"\nconnections_max = 3\n')
    variable = {"HIGGINS_METRICS": "127.0.0.1:2"}
    assert load(Flags(), {}, tmp_path).web.metrics == "127.0.0.1:1"
    assert load(Flags(), {}, tmp_path).web.connections_max == 3
    assert load(Flags(), variable, tmp_path).web.metrics == "127.0.0.1:2"
    assert load(Flags(metrics="127.0.0.1:3"), variable, tmp_path).web.metrics == "127.0.0.1:3"


def test_what_is_no_address_is_told_with_its_place() -> None:
    with pytest.raises(Unfit, match="--metrics: '9404' is not HOST:PORT"):
        load(Flags(metrics="9404"), {}, None)


def test_an_open_port_is_warned_of_and_a_loopback_is_not() -> None:
    assert any("Metrics" in one for one in load(Flags(metrics="0.0.0.0:9404"), {}, None).warnings)
    assert not any("Metrics" in one for one in load(Flags(metrics="127.0.0.1:9404"), {}, None).warnings)
