"""Links between the built pages that lead nowhere: python .ci/links.py docs/_build/html."""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlparse


class Page(HTMLParser):
    """What a page can be linked to by, and where it links to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors, self.links = {""}, set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        """Collect ids, links and sources."""
        found = dict(attributes)
        self.anchors |= {found[key] for key in ("id", "name") if found.get(key)}
        self.links |= {found[key] for key in ("href", "src") if found.get(key)}


def main(folder: Path) -> int:
    """Print dead links; return 1 if there are any."""
    pages = {path.resolve(): Page(path) for path in folder.rglob("*.html")}
    dead = []
    for path, page in pages.items():
        for link in page.links:
            address, anchor = urldefrag(link)
            url = urlparse(address)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            known = pages.get(target)
            if not target.exists() or (known and unquote(anchor) not in known.anchors):
                dead.append(f"{path.relative_to(folder.resolve())}: {link}")
    print("\n".join(sorted(dead)) or f"no dead links among {len(pages)} pages")
    return bool(dead) or not pages


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
