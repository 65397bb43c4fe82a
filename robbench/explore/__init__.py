"""The explorer: one HTML file that shows a store, without a server, a network or WebGL.

    contents.py   what of a store it shows: architectures, columns of numbers, sources
    noise.py      training noise of each column
    drawings.py   architectures as `robbench.plots` draws them, each part once
    packing.py    all of it as compact bytes
    page.py       the page and the data in one file
    assets/       the page: HTML, CSS and scripts

The scripts are our own.  Bokeh, the best fit among libraries that ship their JavaScript, brings 1.95 MB for plots, widgets and tables, and a store of
everything takes 2.8 MB at 6,466 architectures by 288 metrics, so both do not fit into 3 MB.  Its scatter is a canvas that a keyboard and a screen reader
cannot enter, and drawn cells, neighbours, twins, comparison and the link that restores a view would be our own code anyway.  What is left is a canvas of
points, two small charts, a table and a form.

What comes from a store reaches the page as data only: it is packed into characters that mean nothing to HTML, and the scripts write it as text.  The page's
content security policy allows its own scripts, by their hash, and no request at all.
"""

from robbench.explore.contents import Contents, contents
from robbench.explore.page import page, write

__all__ = ["Contents", "contents", "page", "write"]
