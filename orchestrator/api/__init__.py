"""The service over HTTP: routes, the shapes that go in and out, OpenAPI made from both, problems, streams.

No rule of the business is decided here: what a job, a key, a release or an asset may do is said in their own rooms.
"""
