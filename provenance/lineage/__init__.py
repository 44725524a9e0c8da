"""What a graph says of how an image came to be: where its pixels began, and what was done to them since.

Pure: graphs in ComfyUI's API form go in, values come out. What a credential makes of them does not belong here.
"""
