"""The link to one worker: ComfyUI's HTTP and websocket, and the pack's route beside them.

Nothing here knows money or what a job is for: it carries, and says what it heard and what stands in the worker's books.
"""
