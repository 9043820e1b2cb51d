"""Finding partners: by a name that may be misspelt, by facets, in pages."""
