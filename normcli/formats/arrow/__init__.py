"""Arrow IPC, as a file and as a stream."""
