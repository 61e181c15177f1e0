"""Reading and writing bytes: files, pipes, object stores, directories of parts."""
