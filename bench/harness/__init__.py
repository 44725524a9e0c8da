"""What the benchmarks share: one table, one JSON form, servers as processes, one client for all."""
