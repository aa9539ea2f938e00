"""One dataset's engine, without Ray: ingest, clustering runs, deletes. It declares its ports."""
