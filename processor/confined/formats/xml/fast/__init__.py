"""Read regular rows in bulk; can be switched off.

automaton    Automaton for rows of any shape: each tag's meaning
bulk         Read rows in bulk wherever they stand in a document
patterns     Reuse the pattern of earlier rows for rows alike
raw_content  Content kept as XML text
rows         Read rows of any shape in bulk
run          One run of the automaton over a piece of text
template     One regular expression for regular rows, and their JSON
text         XML texts to JSON strings, many at once
"""
