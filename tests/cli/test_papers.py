"""`robbench papers`."""

from __future__ import annotations

import json
import re
from pathlib import Path

from click.testing import CliRunner

from robbench.cli import main
from robbench.papers import PAPERS


def test_the_command_prints_tables_and_what_differs(published_store: Path) -> None:
    def papers(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["papers", *arguments, "--store", str(published_store)])
        assert result.exit_code == 0, result.output
        return result.stdout

    text = papers("jung2023-two-3x3")
    assert "networks                  on a path from input to output      408    408     +0\n" in text
    assert "What differs:\n- The paper does not say which convolutions count" in text
    found = json.loads(papers("jung2023-best", "--json"))
    assert [row["paper"] for row in found["table"]][6] is None
    assert found["table"][5]["index"] == 3456
    assert papers("jung2023-two-3x3", "--markdown").startswith("## jung2023-two-3x3\n\nJung, Lukasik, Keuper (ICLR 2023). Figures 7")
    overview = papers()
    assert overview.splitlines()[1].startswith("jung2023-table1 ")
    assert overview.splitlines()[1].endswith(" yes")
    assert (
        "\nwu2024 lacks clean, fgsm, pgd, autoattack of cifar10 (pgd-8/255): robbench import nasrobbench201 FILE --into STORE\n" in overview
    )
    assert {row["name"] for row in json.loads(papers("--json"))} == set(PAPERS)
    assert len(papers("--markdown").splitlines()) == len(PAPERS) + 2


def test_the_command_refuses_in_one_line(small_store: Path) -> None:
    result = CliRunner().invoke(main, ["papers", "wu2024", "--store", str(small_store)])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: NotMeasured: wu2024 cannot be computed from small.h5, which lacks clean, fgsm, pgd, autoattack")
    result = CliRunner().invoke(main, ["papers", "wu2024", "--workers", "0", "--store", str(small_store)])
    assert result.exit_code == 1
    assert result.stderr == "Error: InvalidArgument: --workers 0 is not a number of workers; expected an integer of at least 1.\n"
    result = CliRunner().invoke(main, ["papers", "--json", "--markdown", "--store", str(small_store)])
    assert result.exit_code == 2
    assert "--markdown and --json are two ways of printing" in result.stderr


def test_what_papers_report_is_printed_with_its_protocol(tmp_path: Path) -> None:
    def reported(*arguments: str) -> str:
        result = CliRunner().invoke(main, ["reported", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    text = reported("trnas", "--table", "yang2025-table2")
    assert re.search(r"^trnas +Yang et al. \(2025\) +Table 2 +cifar10 +autoattack@8/255 +0\.5176$", text, re.MULTILINE)
    assert "\nProtocols:\n- Yang et al. (2025), Table 2: 20 cells; adversarial training by PGD" in text
    assert "\n- trnas: sep5~0+sep5~1|" in text
    assert {row["attacker"] for row in json.loads(reported("--table", "yang2025-table4", "--json"))} == {
        "swap",
        "robot",
        "croze",
        "zcprob",
        "trnas",
    }
    reported("--table", "ha2023-table4", "--out", str(tmp_path / "four.csv"))
    assert len((tmp_path / "four.csv").read_text().splitlines()) == 50
    refused = CliRunner().invoke(main, ["reported", "trnass"])
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "Did you mean 'trnas'" in refused.stderr
