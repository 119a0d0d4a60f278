"""A real browser on the environment's own JupyterLab: what a person sees decides.

Every request to another host and every error of the console is collected; `Seen.problems` has to be empty at the end.
"""
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.error import HTTPError
from urllib.request import urlopen

from checkout import root, tools

chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-extensions"]
harmless = ("favicon", "ResizeObserver loop", "WebSocket is closed before the connection", "Failed to load resource")


def free_port():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return server.getsockname()[1]


@contextmanager
def lab(folder, seconds=90):
    "JupyterLab on `folder`; yields its address with a token"
    port, token = free_port(), secrets.token_hex(16)
    settings = folder / ".jupyter"
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(settings), "JUPYTER_DATA_DIR": str(settings / "data"),
                   "JUPYTERLAB_SETTINGS_DIR": str(settings / "lab"), "JUPYTERLAB_WORKSPACES_DIR": str(settings / "spaces")}
    command = [tools / "jupyter", "lab", "--no-browser", "--allow-root", f"--port={port}", f"--IdentityProvider.token={token}",
               f"--ServerApp.root_dir={folder}", "--expose-app-in-browser", "--LabApp.check_for_updates_class="
               "jupyterlab.NeverCheckForUpdate"]
    quiet_news = settings / "lab" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    quiet_news.parent.mkdir(parents=True, exist_ok=True)
    quiet_news.write_text('{"fetchNews": "false", "checkForUpdates": false}', encoding="utf-8")
    address = f"http://127.0.0.1:{port}"
    with served(command, folder, environment, f"{address}/api/status?token={token}", seconds): yield address, token


@contextmanager
def voila(notebook, seconds=90):
    "One notebook as an application; yields its address"
    port = free_port()
    settings = notebook.parent / ".voila"
    environment = {**os.environ, "JUPYTER_CONFIG_DIR": str(settings), "JUPYTER_DATA_DIR": str(settings / "data")}
    address = f"http://127.0.0.1:{port}"
    command = [tools / "voila", notebook, "--no-browser", f"--port={port}"]
    with served(command, notebook.parent, environment, f"{address}/voila/static/voila.js", seconds): yield address


@contextmanager
def served(command, folder, environment, alive, seconds):
    "A server that answers at the address `alive`; it is ended afterwards"
    log = open(folder / "server.log", "w", encoding="utf-8")
    server = subprocess.Popen(list(map(str, command)), cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        deadline = time.time() + seconds
        while time.time() < deadline and not answers(alive):
            time.sleep(0.3)
            assert server.poll() is None, (folder / "server.log").read_text(encoding="utf-8")
        yield
    finally:
        server.terminate()
        try: server.wait(20)
        except subprocess.TimeoutExpired: server.kill()
        log.close()


def answers(address):
    "Whether a server answers, be it that the page is unknown"
    try: urlopen(address, timeout=5).close()
    except HTTPError as error: return error.code == 404
    except OSError: return False
    return True


@contextmanager
def busy(count=2):
    "Processes that compute all the time: a slow machine"
    hands = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try: yield
    finally:
        for hand in hands: hand.kill()


timed = """([explorer]) => {
    const found = window.latencies = [];
    let pressed = null;
    explorer.addEventListener("keydown", () => { pressed = performance.now(); }, true);
    new MutationObserver(() => {
        const start = pressed;
        if (start !== null) requestAnimationFrame(() => setTimeout(() => found.push(performance.now() - start)));
    }).observe(explorer, { attributes: true, attributeFilter: ["data-frame"] });
}"""


def latencies(page, explorer, presses=8):
    "Milliseconds from a key press on the first slider to the painted picture, sorted; every press asks for a new picture"
    page.evaluate(timed, [explorer.element_handle()])
    slider = explorer.locator("input[type=range]").first
    slider.focus()
    value, low, high, step = [float(slider.evaluate(f"(input) => input.{name}")) for name in ("value", "min", "max", "step")]
    key = "ArrowRight" if high - value > value - low else "ArrowLeft"
    back = {"ArrowRight": "ArrowLeft", "ArrowLeft": "ArrowRight"}[key]
    room = max(high - value, value - low) / step
    for i in range(presses):
        page.keyboard.press(key if i < room - 0.5 or i % 2 else back)
        page.wait_for_function("(count) => window.latencies.length >= count", arg=i + 1, timeout=30_000)
        page.wait_for_timeout(100)
    return sorted(page.evaluate("() => window.latencies"))[:presses]


class Seen:
    "What a page did that it should not"
    def __init__(self, page, address):
        self.problems = []
        page.on("console", lambda message: self.note(message.type, message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.note("page error", str(error)))
        page.on("request", lambda request: self.asked(request.url, address))

    def note(self, kind, text):
        if not any(sign in text for sign in harmless): self.problems.append(f"{kind}: {text[:300]}")

    def asked(self, url, address):
        own = (address, "data:", "blob:", "about:", address.replace("http", "ws"), "file:")
        if not url.startswith(own): self.problems.append(f"asks another host: {url[:200]}")


@contextmanager
def browser(width=1280, height=900, dark=False):
    "A page of Chromium"
    from playwright.sync_api import sync_playwright
    with sync_playwright() as play:
        chrome = play.chromium.launch(executable_path=chromium, args=quiet)
        context = chrome.new_context(viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light")
        try: yield context.new_page()
        finally: chrome.close()


ready = """() => {
    const context = window.jupyterapp?.shell.currentWidget?.sessionContext;
    return context?.isReady && context.session?.kernel?.connectionStatus === 'connected' && context.session.kernel.status === 'idle';
}"""


def open_notebook(page, address, token, path, seconds=120):
    "Open a notebook and wait for its kernel"
    page.goto(f"{address}/lab/tree/{path}?token={token}&reset", timeout=seconds*1000)
    page.wait_for_selector(".jp-Notebook", timeout=seconds*1000)
    page.wait_for_function(ready, timeout=seconds*1000)


ended = """() => {
    const panel = window.jupyterapp.shell.currentWidget;
    const cells = panel.content.widgets.filter((cell) => cell.model.type === 'code' && cell.model.sharedModel.getSource().trim());
    const failed = cells.some((cell) => cell.model.outputs.toJSON().some((output) => output.output_type === 'error'));
    const idle = panel.sessionContext.session?.kernel?.status === 'idle';
    return idle && (failed || cells.every((cell) => cell.model.executionCount !== null));
}"""


def command(page, name): page.evaluate(f"() => {{ window.jupyterapp.commands.execute({json.dumps(name)}) }}")


def run_all(page, seconds=300):
    "Run every cell; the errors that cells ended in"
    command(page, "notebook:run-all-cells")
    page.wait_for_timeout(500)
    page.wait_for_function(ended, timeout=seconds*1000)
    return page.evaluate("""() => window.jupyterapp.shell.currentWidget.content.widgets
        .filter((cell) => cell.model.type === 'code').flatMap((cell) => cell.model.outputs.toJSON())
        .filter((output) => output.output_type === 'error').map((output) => `${output.ename}: ${output.evalue}`)""")


def into_view(page, element):
    "Scroll to an element, twice: JupyterLab makes cells anew as they come into view, and heights change with them"
    for _ in range(2):
        element.scroll_into_view_if_needed()
        page.wait_for_timeout(700)


def copy_notebooks(folder, *names):
    "Notebooks of nbs/ in a folder of their own, without stored outputs"
    for name in names:
        book = json.loads((root / "nbs" / name).read_text(encoding="utf-8"))
        for cell in book["cells"]:
            if cell["cell_type"] == "code": cell["outputs"] = []
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(book), encoding="utf-8")
