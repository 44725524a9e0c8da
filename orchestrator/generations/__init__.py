"""Plain orders of images, ours and OpenAI's, made into runs of workflows, and results made into OpenAI's answers.

What a model allows is told by the catalog, what a workflow takes by the workflow; jobs are made and run elsewhere.
"""
