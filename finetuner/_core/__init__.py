"""What every layer uses: codec, hashing, waiting, retry, concurrency, clock, workspace. Private."""
