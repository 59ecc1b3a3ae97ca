"""Read zip archives.

central_directory  The central directory of a zip, read entry by entry
member             One zip member: local header, sizes and CRC-32 checked
names              Read the names of a zip, whatever their encoding
reader             Read a zip by its central directory, as unzip does
"""
