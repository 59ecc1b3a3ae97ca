"""A read-only web page, in a process of its own.

The one change it offers is a retry, through the daemon's control socket.

chart     Bars of the throughput chart, as numbers for the template
estimate  Estimate of the time left, by bytes and by files
feeds     The feeds as their page shows them
filters   Filters of lists of files, from and to an address
health    Health of the daemon and of what it needs
journey   A file's journey: events and the time between them
kept      A value that many pages ask for
objects   Objects of a file, searched and added up
pages     Content of each page; everything from strangers is escaped
records   Read-only ledger queries for the pages, bounded by indexes
server    HTTP server of the dashboard: read-only pages, and retry
words     Words that people are shown for statuses, steps and events
"""
