"""Who carries which message to whom. The work itself is in `steps`.

     Watcher ──FilesFound (ask)──▶ Progress ──Process(job)──▶ Checksummer
                                    ▲   ▲                       │ regular    │ database    │ archive
                                    │   │                       ▼            ▼             ▼
                                    │   │                    Uploader ◀─ Converter / Extractor
                                    │   └── StepsCompleted, StepFailed, PartStored ... (reports; nobody waits for them)
                                    └─────── Process(job) with only progress_update ahead ── Uploader

messages   what is said                       base      what every actor does: answer pings, have its death noticed
crew       who is there, and who is next      stage     an actor whose work runs in threads of its own
"""
