"""Annotation in the browser: a server for one store, and the page that people draw in.

The page's source is `page/`; `make page` builds it into `static/`. Importing these modules needs the extra
``lesslabel[annotate]`` where FastAPI is used: `app`, `requests`, `security` and `serving`.
"""
