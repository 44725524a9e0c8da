"""One job on one worker, from its graph to signed files.

Where a job waits, who may ask for it and who keeps it is not decided here.
"""
