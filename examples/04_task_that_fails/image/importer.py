"""The importer: refuses to start without a source."""

import os
import sys

if not os.environ.get("SOURCE"):
    print("SOURCE is empty: say where to import from", file=sys.stderr, flush=True)
    sys.exit(3)
