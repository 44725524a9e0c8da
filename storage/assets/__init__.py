"""What the service keeps of jobs and callers: files by their content, links to them, small pictures, uploads.

Which job a file belongs to is known to the jobs, and which person may see it to who gives out links.
"""
