//! For tests only: simulated disk, manual clock, spawned server, golden runner.
