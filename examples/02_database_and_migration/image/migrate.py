"""The migration: brings the database to the schema that the API needs."""

from database import ask

ask("SET", "schema", "7")
print("schema is now", ask("GET", "schema"), flush=True)
