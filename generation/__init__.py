"""One hosted generation from request to record: the service every hosted call goes through, and its journal."""
