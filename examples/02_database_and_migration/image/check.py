"""The health check: the API answers, and so does its database."""

import urllib.request

urllib.request.urlopen("http://localhost:8080/health", timeout=4).read()
