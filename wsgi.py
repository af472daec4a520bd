"""For a WSGI server of your own: `waitress-serve wsgi:app`, `gunicorn --threads 8 wsgi:app`.

Importing it opens the instance named by `FLUXRATE_INSTANCE`, migrates its store and starts the jobs, so it must
be imported in the process that serves: a server that forks afterwards leaves the jobs behind in the parent
(gunicorn without `--preload` is right). Several such processes on one store see each other's events as those of
`fluxrate serve --workers` do, which does all this, sets its server up well and says which process answers: prefer it.
"""

from __future__ import annotations

import atexit

from fluxrate import scheduler
from fluxrate.app import create_app
from fluxrate.config import load_config

app = application = create_app(load_config())
atexit.register(scheduler.start(app))
