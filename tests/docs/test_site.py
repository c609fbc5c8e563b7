"""The built site: every link leads to a page and a place in it, every picture is there. `make docs` builds it."""

from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[2]
SITE = ROOT / "build/docs/html"
PAGES = sorted(SITE.rglob("*.html"))


class Page(HTMLParser):
    """The places and the links of a page."""

    def __init__(self, path):
        super().__init__()
        self.places, self.links = set(), []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.places |= {found[name] for name in ("id", "name") if name in found}
        self.links += [found[name] for name in ("href", "src") if found.get(name)]


@pytest.fixture(scope="module")
def pages():
    assert PAGES, f"{SITE} must have pages: make docs"
    return {path: Page(path) for path in PAGES}


def test_every_page_of_the_repository_is_one_of_the_site():
    sources = [page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")]
    assert sources
    assert not [str(each) for each in sources if not (SITE / each).exists()]


def test_links_lead_somewhere(pages):
    bad = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            place = unquote(parts.fragment)
            if not target.is_file() or (place and target in pages and place not in pages[target].places):
                bad.append(f"{path.relative_to(SITE)}: {link}")
    assert not bad


def test_nothing_is_loaded_from_elsewhere(pages):
    """Who reads without a network sees the whole site."""
    for path in pages:
        text = path.read_text(encoding="utf-8")
        assert 'src="http' not in text, path
        assert '<link rel="stylesheet" href="http' not in text, path


def test_the_golden_model_is_in_the_reference(pages):
    places = pages[SITE / "reference/golden.html"].places
    assert {"fusioncim_golden.softmax.merge", "fusioncim_golden.config.Config", "fusioncim_golden.mask.sees"} <= places


@pytest.mark.parametrize(
    ("page", "boxes"), [("notebooks/one-key", {"key 1", "row 0"}), ("pictures", {"key 3", "block 1"})]
)
def test_waveforms_show_what_was_simulated(pages, page, boxes):
    path, inline = SITE / f"{page}.html", "data:image/svg+xml;base64,"
    links = pages[path].links
    pictures = [(path.parent / link).read_text(encoding="utf-8") for link in links if link.endswith(".svg")]
    pictures += [b64decode(link.removeprefix(inline)).decode() for link in links if link.startswith(inline)]
    assert any(all(f"<tspan>{box}</tspan>" in picture for box in boxes) for picture in pictures)
