"""What the benchmarks share: one table, one JSON form, servers as processes, one client for all.

What is measured stands in the benchmark itself; nothing here is imported by the product.
"""
