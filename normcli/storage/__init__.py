"""Where bytes come from and where they go: files, pipes, object stores, directories of parts."""
