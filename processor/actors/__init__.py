"""Actors: who sends which message to whom.

     Watcher ──FilesFound (ask)──▶ Progress ──Process(job)──▶ Checksummer
                                    ▲   ▲                       │ regular    │ database    │ archive
                                    │   │                       ▼            ▼             ▼
                                    │   │                    Uploader ◀─ Converter / Extractor
                                    │   └── StepsCompleted, StepFailed, PartStored ... (reports; nobody waits for them)
                                    └─────── Process(job) with only progress_update ahead ── Uploader

Beside the ring: Progress tells the Registrar which batch of delivered objects a table is to get.

An actor only carries messages. The work is in `delivery`, `confined`, `store` and `tables`.

admission       Admission of files that are due
base            Base actors, with and without threads that do the work
checksummer     The Checksummer: hash, detect the type, put delivered files away
circuit         Circuit breaker for outages: a pure state machine
converter       The Converter: a worker turns a data file into Parquet
counters        Counters since the start, for the summary and the metrics
extractor       The Extractor: have a worker unpack an archive
group_commit    Group commit: many reports in one transaction
job_failures    Failures of jobs: retry, give up, wait for a probe
job_reports     Reports of jobs on their way, recorded in the ledger
messages        Messages between actors
notices         Progress's part in telling others
notifier        The thread that sends events, one request at a time
orders          Orders of the operator, obeyed by Progress
outages         Failures of the store, the cluster or the watched directory
progress        The Progress actor: owns the ledger and every job
progress_state  State that the parts of Progress share
registrar       The Registrar: the one actor that talks to the catalog
routes          References to all actors; the next one for a job
source_cleanup  Cleanup of sources whose end is recorded
table_batches   When tables get their next batch
upload_reports  Reports of one job's uploads to Progress
uploader        The Uploader: the one actor that talks to the store
watcher         The Watcher: look at the tree, offer whole files
worker_stage    Base of Converter and Extractor: streams made by pool workers
"""
