"""The daemon: start, run, observe and stop all parts.

app             Start the daemon's parts, run them, stop them in order
bounded_http    HTTP server with bounds for whoever may connect
control_api     Requests that operators may make of a running daemon
control_socket  Unix socket on which commands reach the daemon
factories       Build the daemon's parts from the settings
liveness        Check that the actors answer, without waiting for them
malloc          Keep resident memory small: settings for glibc's malloc
metrics         HTTP server for /metrics, /live and /ready
ring            Start the actors, each with its section of the settings
supervisor      The main thread: waits for signals, deaths and the end
systemd         Notify systemd: sd_notify(3)
"""
