"""The importer: refuses to start without a source."""

import os
import sys
import time

time.sleep(1)  # the side container gets the time to come up
if not os.environ.get("SOURCE"):
    print("SOURCE is empty: say where to import from", file=sys.stderr, flush=True)
    sys.exit(3)
