"Equations, set by KaTeX while the site is built: npm's package at a fixed version, fetched once; pages need its style sheet and fonts alone."
import base64
import hashlib
import html
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from checkout import root

VERSION = "0.16.22"
DIGEST = "XCHRdUw4lf3SKBaJe4EvgqIuWwkPSo9XoeO8GjQW94Bp7TWv9hNhzZjZ+OH9yf1UmLygb7DIT5GSFQiyt16zYg=="  # SHA-512 of the package
cache = root / ".venv" / "share" / "katex" / VERSION


class Missing(Exception):
    "Something the site needs and make cannot bring"


def fetch(folder):
    "The package as a file in `folder`"
    npm = shutil.which("npm")
    if not npm: raise Missing(f"npm is missing: it fetches KaTeX {VERSION}, which sets the equations (Debian: apt-get install npm)")
    command = [npm, "pack", f"katex@{VERSION}", "--silent", "--pack-destination", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, timeout=120)
    file = folder / f"katex-{VERSION}.tgz"
    if done.returncode or not file.exists():
        raise Missing(f"npm could not fetch katex {VERSION}: {(done.stderr or done.stdout).strip()[-300:] or 'no reason given'}")
    digest = base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()
    if digest != DIGEST: raise Missing(f"katex-{VERSION}.tgz has the SHA-512 {digest}; expected {DIGEST}")
    return file


def unpack(file, folder):
    "The program; style sheet, fonts as woff2 alone, and licence for the pages"
    with tarfile.open(file) as tar:
        for member in tar:
            name = member.name.removeprefix("package/")
            if not member.isfile() or not re.fullmatch(r"LICENSE|dist/katex\.min\.js|dist/katex\.min\.css|dist/fonts/[\w-]+\.woff2", name): continue
            target = folder / ("program" if name.endswith(".js") else "katex") / name.removeprefix("dist/")
            target.parent.mkdir(parents=True, exist_ok=True)
            data = tar.extractfile(member).read()
            if name.endswith(".css"): data = re.sub(rb",url\([^)]*\.(?:woff|ttf)\) format\(\"[a-z]+\"\)", b"", data)
            target.write_bytes(data)


def static():
    "Folder that holds katex/, fetched on the first call"
    if not shutil.which("node"): raise Missing("node is missing: it sets the equations while the site is built (Debian: apt-get install nodejs npm)")
    if (cache / "katex" / "katex.min.css").exists(): return cache
    cache.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache.parent) as place:
        place = Path(place)
        unpack(fetch(place), place / "made")
        try: os.replace(place / "made", cache)
        except OSError:
            if not (cache / "katex" / "katex.min.css").exists(): raise
    return cache


PROGRAM = """
const katex = require(process.argv[1]);
require('readline').createInterface({input: process.stdin}).on('line', (line) => {
  const {latex, display} = JSON.parse(line);
  let reply;
  try { reply = {html: katex.renderToString(latex, {displayMode: display, throwOnError: true, strict: false})}; }
  catch (error) { reply = {error: error.message}; }
  process.stdout.write(JSON.stringify(reply) + '\\n');
});
"""


class Setter:
    "A node process that sets equations, started on the first one"
    def __init__(self): self.process, self.owner, self.done = None, None, {}

    def __call__(self, latex, display):
        "HTML and MathML of an equation; ValueError with KaTeX's reason"
        if (latex, display) in self.done: return self.done[latex, display]
        if self.owner != os.getpid():
            command = ["node", "-e", PROGRAM, str(cache / "program" / "katex.min.js")]
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
            self.owner = os.getpid()
        self.process.stdin.write(json.dumps({"latex": latex, "display": display}) + "\n")
        self.process.stdin.flush()
        reply = json.loads(self.process.stdout.readline())
        if "error" in reply: raise ValueError(reply["error"])
        self.done[latex, display] = reply["html"]
        return reply["html"]


def setup(app):
    "KaTeX as a Sphinx extension"
    from docutils import nodes
    from sphinx.util import logging
    logger = logging.getLogger(__name__)
    setter = Setter()

    def written(translator, node, display):
        latex = node.astext()
        try: text = setter(latex, display)
        except ValueError as error:
            logger.warning("equation %r: %s", latex, error, location=node)
            text = f"<code>{html.escape(latex)}</code>"
        tag = "div" if display else "span"
        translator.body.append(translator.starttag(node, tag, "", CLASS="math") + text + f"</{tag}>")
        raise nodes.SkipNode

    def inline(translator, node): written(translator, node, False)
    def block(translator, node): written(translator, node, True)
    app.add_html_math_renderer("katex", (inline, None), (block, None))
    app.add_css_file("katex/katex.min.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
