"""What vendors list of their own models, and where the catalog says otherwise.

Here belong the questions, one module a vendor that answers any, and the comparison; the catalog's data does not, nor
does asking for pictures.
"""
