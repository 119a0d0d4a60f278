"What a built site must keep: links that lead somewhere, pictures with words, no other host, pages under a megabyte."
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LARGEST = 1_000_000  # bytes of a page
ASKED = {"src", "data", "poster", "srcset", "action"}


class Page(HTMLParser):
    "What a page names, links to, shows and asks for"
    def __init__(self, text):
        super().__init__()
        self.anchors, self.links, self.asked, self.silent = set(), [], [], []
        self.drawing = 0
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if "id" in given: self.anchors.add(given["id"])
        if tag == "a" and "name" in given: self.anchors.add(given["name"])
        if tag == "a" and given.get("href"): self.links.append(given["href"])
        if tag == "link" and given.get("href") and given.get("rel") not in ("canonical", "author"): self.asked.append(given["href"])
        self.asked += [value for name, value in given.items() if name in ASKED and value and tag != "form"]
        if tag == "img" and len((given.get("alt") or "").strip()) < 4: self.silent.append(given.get("src", "")[:80])
        if tag == "svg" and given.get("role") == "img" and not given.get("aria-label"): self.silent.append("a drawing")

    handle_startendtag = handle_starttag


def read(html):
    "Pages by their address; what themes leave in _static is none"
    paths = (path for path in sorted(html.rglob("*.html")) if path.relative_to(html).parts[0] != "_static")
    return {path.relative_to(html).as_posix(): Page(path.read_text(encoding="utf-8")) for path in paths}


def broken(html, pages):
    "Links within the site that lead nowhere"
    for name, page in pages.items():
        for link in [*page.links, *page.asked]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link in ("#", ""): continue
            target = ((html / name).parent / unquote(parts.path)).resolve() if parts.path else html / name
            if target.is_dir(): target = target / "index.html"
            if not target.exists():
                yield f"{name} links to {link}, which is not there"
                continue
            other = pages.get(target.relative_to(html.resolve()).as_posix() if parts.path else name)
            if parts.fragment and other and unquote(parts.fragment) not in other.anchors: yield f"{name} links to {link}: no such place"


def foreign(html, pages):
    "What a page would ask another host for"
    for name, page in pages.items():
        for link in page.asked:
            if urlsplit(link).scheme in ("http", "https", "ws") or link.startswith("//"): yield f"{name} asks {link[:100]}"
    for path in html.rglob("*.css"):
        for link in re.findall(r"(?:url\(|@import\s+)['\"]?((?:https?:)?//[^'\")\s]+)", path.read_text(encoding="utf-8")):
            yield f"{path.relative_to(html)} asks {link[:100]}"


def problems(html):
    "Every sentence about what is wrong with a site"
    html = Path(html).resolve()
    pages = read(html)
    found = [*broken(html, pages), *foreign(html, pages)]
    found += [f"{name} shows {picture} without words" for name, page in pages.items() for picture in page.silent]
    sizes = {name: (html / name).stat().st_size for name in pages}
    return found + [f"{name} has {size:,} bytes" for name, size in sizes.items() if size > LARGEST]
