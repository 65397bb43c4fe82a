"""Search spaces: one module each, to parse, print, enumerate, sample, and name what is the same."""
