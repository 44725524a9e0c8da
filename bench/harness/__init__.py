"""What the benchmarks share: one table, one JSON form, servers in processes of their own, and one client for them all."""
