"""An example of a new format, as docs/DEVELOPMENT.md adds it: it is no part of the product."""
