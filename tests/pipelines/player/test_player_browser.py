"""The player in a real browser: it moves, errs nowhere, and fits laptops and phones in light and dark.

Set EQUIPOSE_SCREENSHOTS to a folder to keep pictures of the page.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from equipose.pipelines.player import Clip, player_page

MakeClip = Callable[..., Clip]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--enable-logging=stderr",
]
VIEWS = [(width, scheme) for width in (390, 1280) for scheme in ("light", "dark")]
PROBE = """
const ready = setInterval(() => {
  const frames = [...document.querySelectorAll('iframe')]
  if (!frames.every(frame => frame.contentDocument?.querySelector('.motion-scrub')?.value)) return
  clearInterval(ready)
  const pages = [...document.querySelectorAll('iframe')].map(frame => frame.contentDocument)
  const pixels = canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data
  const inked = canvas => new Set(pixels(canvas)).size
  const state = page => ({
    scene: page.querySelector('.motion-scene').toDataURL(), frame: page.querySelector('.motion-scrub').value,
    said: page.querySelector('.motion-readout').textContent,
    play: page.querySelector('.motion-play').textContent,
  })
  const press = (page, key, shiftKey = false) => page.body.dispatchEvent(
    new KeyboardEvent('keydown', {key, shiftKey, bubbles: true, cancelable: true}))
  const steps = [
    page => {}, page => {}, page => press(page, ' '), page => press(page, 'End'),
    page => press(page, 'ArrowLeft'), page => press(page, 'ArrowLeft', true), page => press(page, '0'),
  ]
  const next = page => new Promise(drawn => page.defaultView.requestAnimationFrame(drawn))
  const drawn = page => next(page).then(() => next(page))
  const seen = pages.map(() => [])
  const step = i => {
    if (i) pages.forEach((page, p) => seen[p].push(state(page)))
    if (i === steps.length) return done()
    pages.forEach(steps[i])
    setTimeout(() => Promise.all(pages.map(drawn)).then(() => step(i + 1)), 130)
  }
  const done = () => {
    document.getElementById('found').textContent = JSON.stringify(pages.map((page, p) => ({
      changes: seen[p].map((now, i) => i > 0 && now.scene !== seen[p][i - 1].scene),
      frames: seen[p].map(now => +now.frame), play: seen[p].map(now => now.play), said: seen[p].at(-1).said,
      inked: [...page.querySelectorAll('canvas')].map(inked),
      scroll: page.documentElement.scrollWidth, client: page.documentElement.clientWidth,
      ground: page.defaultView.getComputedStyle(page.body).backgroundColor,
    })))
    fetch('/seen')
  }
  step(0)
}, 50)
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.system,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


class Site(ThreadingHTTPServer):
    """One page on loopback. Its picture `/wait` comes once the page has asked for `/seen`, or after a while.

    Chromium's headless commands end when a page is loaded, and its virtual time skips animation frames: so
    the page loads for as long as it is watched, in real time.
    """

    def __init__(self, page: str) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.page, self.seen = page.encode(), threading.Event()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Answer(BaseHTTPRequestHandler):
    """See `Site`."""

    server: Site

    def do_GET(self) -> None:
        if self.path == "/seen":
            self.server.seen.set()
        if self.path == "/wait":
            self.server.seen.wait(60)
        self.send_response(200 if self.path == "/" else 204)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        if self.path == "/":
            self.wfile.write(self.server.page)

    def log_message(self, *arguments: Any) -> None:
        """Nothing is printed."""


def visit(page: str, profile: Path, *flags: str) -> tuple[str, str]:
    """(standard output, what the page wrote to the console) of one headless visit."""
    with Site(page) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={profile}", *flags, site.address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        site.shutdown()
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


def framed(page: str, width: int, scheme: str) -> str:
    """The page in a frame of a width and colour scheme."""
    style = f"border:0;width:{width}px;height:800px;color-scheme:{scheme}"
    return f'<iframe style="{style}" srcdoc="{html.escape(page)}"></iframe>'


def keep_pictures(page: str, folder: Path, profile: Path) -> None:
    """A PNG per view."""
    folder.mkdir(parents=True, exist_ok=True)
    for width, scheme in VIEWS:
        shown = f'<!doctype html><body style="margin:0">{framed(page, width, scheme)}'
        target = folder.resolve() / f"player-{width}-{scheme}.png"
        visit(shown, profile, f"--screenshot={target}", f"--window-size={max(width, 500)},900")


def test_the_player_moves_obeys_the_keyboard_and_fits(made_clip: MakeClip, tmp_path: Path) -> None:
    page = player_page(made_clip(40))
    frames = "".join(framed(page, width, scheme) for width, scheme in VIEWS)
    loading = '<img src="/wait" alt="">'
    outer = f'<!doctype html><pre id="found"></pre>{frames}{loading}<script>{PROBE}</script>'
    shown, console = visit(outer, tmp_path / "profile", "--dump-dom", "--window-size=1400,3600")
    assert console == ""
    found = re.search(r'<pre id="found">([^<]+)</pre>', shown)
    assert found is not None
    if folder := os.environ.get("EQUIPOSE_SCREENSHOTS"):
        keep_pictures(page, Path(folder), tmp_path / "profile")
    seen: dict[tuple[int, str], Any] = dict(zip(VIEWS, json.loads(html.unescape(found[1])), strict=True))
    for (width, scheme), view in seen.items():
        where = (width, scheme, view)
        _, second, paused, end, back, turned, reset = range(7)
        assert view["changes"][second], where
        assert view["play"] == ["Pause"] * 2 + ["Play"] * 5, where
        assert view["frames"][end:] == [39, 38, 38, 38], where
        assert view["changes"][end : back + 1] == [True, True], where
        assert view["changes"][turned : reset + 1] == [True, True], where
        assert view["frames"][paused] < 39, where
        assert view["said"].startswith("Frame 39 · 3.8 s · first 52.0 mm · second "), where
        assert min(view["inked"]) > 1, where
        assert view["scroll"] <= view["client"] <= width, where
    for width in (390, 1280):
        assert seen[width, "light"]["ground"] != seen[width, "dark"]["ground"]
