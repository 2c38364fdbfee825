"""The browser tests' browser: which one is taken, and what is tried where there is none."""

import pytest

from tools import chromium


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch, tmp_path):
    """A machine with no browser, where no installation works; returns the list of commands run."""
    commands = []
    monkeypatch.delenv("COURSE_CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(chromium, "MAC_APPLICATIONS", ())
    monkeypatch.setattr(chromium, "_playwright_build", lambda: None)
    monkeypatch.setattr(chromium, "_distribution", lambda: "other")
    monkeypatch.setattr(
        chromium, "_run", lambda command, quiet=False: commands.append(" ".join(command)) or 0
    )
    return commands


def make_program(path, answer="Chromium 1.2.3", status=0):
    path.write_text(f"#!/bin/sh\necho '{answer}'\nexit {status}\n")
    path.chmod(0o755)
    return str(path)


def test_finds_a_browser_on_the_path(tmp_path):
    expected = make_program(tmp_path / "google-chrome", "Google Chrome 1.2.3")
    assert chromium.find() == expected


def test_prefers_chromium(tmp_path):
    make_program(tmp_path / "google-chrome", "Google Chrome 1.2.3")
    expected = make_program(tmp_path / "chromium")
    assert chromium.find() == expected


@pytest.mark.parametrize(("answer", "status"), [("Chromium", 1), ("install me first", 0)])
def test_passes_over_one_that_does_not_start(tmp_path, answer, status):
    make_program(tmp_path / "chromium", answer, status)
    assert chromium.find() is None


def test_the_variable_wins(tmp_path, monkeypatch):
    make_program(tmp_path / "chromium")
    expected = make_program(tmp_path / "mine")
    monkeypatch.setenv("COURSE_CHROMIUM", expected)
    assert chromium.find() == expected


def test_a_wrong_variable_is_an_error_not_a_search(tmp_path, monkeypatch, capsys):
    make_program(tmp_path / "chromium")
    monkeypatch.setenv("COURSE_CHROMIUM", "no-such-browser")
    assert chromium.main([]) == 1
    assert "COURSE_CHROMIUM is 'no-such-browser'" in capsys.readouterr().err


def test_installs_nothing_where_one_is_found(tmp_path, nothing_installed, capsys):
    expected = make_program(tmp_path / "chromium")
    assert chromium.main([]) == 0
    assert capsys.readouterr().out.strip() == expected
    assert nothing_installed == []


def test_looking_installs_nothing(nothing_installed, capsys):
    assert chromium.main(["--find"]) == 1
    assert "Install Chromium or Chrome" in capsys.readouterr().err
    assert nothing_installed == []


def test_debian_gets_its_package(tmp_path, monkeypatch, nothing_installed):
    make_program(tmp_path / "apt-get")
    monkeypatch.setattr(chromium, "_distribution", lambda: "debian")
    monkeypatch.setattr(chromium.os, "geteuid", lambda: 0)

    def install(command, quiet=False):
        nothing_installed.append(" ".join(command))
        if "install" in command:
            make_program(tmp_path / "chromium")
        return 0

    monkeypatch.setattr(chromium, "_run", install)
    assert chromium.ensure() == str(tmp_path / "chromium")
    assert [line.split("-q ")[1].split()[0] for line in nothing_installed] == ["update", "install"]
    assert all("DEBIAN_FRONTEND=noninteractive" in line for line in nothing_installed)


def test_without_rights_no_package_is_tried(tmp_path, monkeypatch, nothing_installed):
    make_program(tmp_path / "apt-get")
    monkeypatch.setattr(chromium, "_distribution", lambda: "debian")
    monkeypatch.setattr(chromium.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(
        chromium, "_run", lambda command, quiet=False: nothing_installed.append(command[0]) or 1
    )
    with pytest.raises(chromium.BrowserError):
        chromium.ensure()
    assert nothing_installed[0] == "sudo"
    assert len(nothing_installed) == 2  # the question to sudo, then Playwright


def test_elsewhere_playwright_is_tried_then_the_failure_is_clear(
    tmp_path, nothing_installed, capsys
):
    make_program(tmp_path / "apt-get")  # as on Ubuntu, whose package is only a pointer
    assert chromium.main([]) == 1
    (command,) = nothing_installed
    assert "playwright install" in command and command.endswith("chromium")
    assert "COURSE_CHROMIUM" in capsys.readouterr().err
