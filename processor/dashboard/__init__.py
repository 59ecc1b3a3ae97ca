"""A read-only web page, in a process of its own.

The one change it offers is a retry, through the daemon's control socket.

chart    Bars of the throughput chart, as numbers for the template
feeds    The feeds as their page shows them
pages    Content of each page; everything from strangers is escaped
records  Read-only ledger queries for the pages, bounded by indexes
server   HTTP server of the dashboard: read-only pages, and retry
"""
