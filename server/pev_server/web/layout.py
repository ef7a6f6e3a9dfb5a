"""The frame of every page: head, title bar, and pages that say one thing."""

from pev_server.web.markup import Child, Markup, tag

STYLE = "style.css"


def document(title: str, *body: Child, base: str = "", who: str = "", refresh: str = "") -> str:
    """Build a whole page; `base` is the path of the style sheet and of the list, `refresh` where to go on."""
    head = [
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="robots", content="noindex"),
        tag("title", f"{title} · PEV"),
    ]
    if base:
        head.append(tag("link", rel="stylesheet", href=f"{base}{STYLE}"))
    if refresh:
        head.append(tag("meta", http_equiv="refresh", content=f"0; url={refresh}"))
    links = [tag("a", "runs that wait", href=base), " ", tag("a", "all runs", href=f"{base}trail/")]
    bar = tag("header", tag("nav", tag("strong", "PEV"), " ", links if base else ""), tag("span", who))
    return (
        f"<!doctype html>\n{tag('html', tag('head', head), tag('body', bar, tag('main', *body)), lang='en')}"
    )


def simple(title: str, told: str, *, base: str = "", back: str = "") -> str:
    """Build a page that says one thing; `back` is where a link leads."""
    link = tag("p", tag("a", "Go on", href=back)) if back else Markup("")
    return document(title, tag("h1", title), tag("section", tag("p", told), link), base=base)


def onward(path: str) -> str:
    """Build the page after coming in: the next request is one of our own site, so the cookie goes with it."""
    link = tag("p", tag("a", "Go on", href=path))
    return document("Signed in", tag("section", link), refresh=path)
