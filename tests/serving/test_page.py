"""The page in a browser: entities at their places, whatever the text holds, and nothing that its policy forbids."""

from __future__ import annotations

import re
import shutil
import subprocess
from html import escape, unescape
from pathlib import Path

import pytest
from serving_client import Client, Rule, rule_model, running

from nertool.serving import app
from nertool.serving.page import page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
HOSTILE = (
    "\U0001f600 Anna <img src=x onerror=\"document.title='run'\"> BERN</mark><script>document.title='run'</script>"
)


def shown(client: Client, folder: Path, *options: str) -> str:
    """The page as a browser has it after it has tagged its text."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium")
    quiet = (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        f"--user-data-dir={folder}",
    )
    command = [CHROMIUM, *quiet, "--virtual-time-budget=4000", "--dump-dom", *options]
    done = subprocess.run([*command, f"http://127.0.0.1:{client.port}/"], capture_output=True, text=True, timeout=120)
    assert "Content Security Policy" not in done.stderr
    return done.stdout


def of(dom: str, name: str) -> str:
    (found,) = re.findall(rf'<(\w+) id="{name}"[^>]*>(.*?)</\1>', dom, re.DOTALL)
    return found[1]


@pytest.mark.slow
def test_a_hostile_text_is_shown_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = re.sub(r"(<textarea[^>]*>).*?<", lambda head: f"{head[1]}{escape(HOSTILE)}<", page(), count=1)
    monkeypatch.setattr(app, "page", lambda: own)
    with running() as client:
        dom = shown(client, tmp_path)
    assert "<title>nertool</title>" in dom
    marks = re.findall(r"<mark[^>]*>(.*?)<small>(.*?)</small></mark>", of(dom, "shown"))
    assert ("Anna", "PER 0.90") in marks and ("BERN", "LOC 0.60") in marks
    plain = re.sub(r"<small>.*?</small>|</?mark[^>]*>", "", of(dom, "shown"))
    assert unescape(plain) == HOSTILE
    assert '"text": "Anna"' in of(dom, "json")


@pytest.mark.slow
def test_a_model_of_parts_of_speech_and_a_key_that_is_asked_for(tmp_path: Path) -> None:
    with running(lambda: rule_model(Rule(labels=("NOUN", "VERB")))) as client:
        assert ">Keller<small>NOUN 0.90</small></mark>" in of(shown(client, tmp_path), "shown")
    with running(keys=[b"secret"]) as client:
        dom = shown(client, tmp_path / "another")
    assert "the key is missing or wrong" in of(dom, "told") and '<div id="key-row">' in dom
