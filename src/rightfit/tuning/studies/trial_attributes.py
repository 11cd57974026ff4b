"""What a trial's record in the study holds: its user attributes."""

CONFIGURATION = "configuration"  # all settings, fixed ones included
ASKED_BY = "asked_by"  # application that asked for it
UNTRAINED = "untrained"  # structure of the finished model, where it is known before any training
CURVE = "curve"  # what was measured at each checkpoint
SERVED = "served"  # what was measured of the finished model, see ``live_pool.dump_served``
EXPORT_S = "export_s"  # CPU seconds of writing and exporting the finished model
GAINED = "gained"  # whose best trial so far it is: ["quality"]
STOP_CHECKPOINT = "stop_checkpoint"  # where a trial that did not go on was paused
STOPPED_BY = "stopped_by"  # application that let it go last
SPANS = "spans"  # when workers worked on it, as pairs of seconds since the epoch
COMPUTE_S = "compute_s"  # CPU seconds of all work on it, measuring and deciding included
MEASURING_S = "measuring_s"  # of them, those of the measuring processes
PROPOSING_S = "proposing_s"  # CPU seconds of asking for its configuration, part of deciding
DECIDING_S = "deciding_s"  # CPU seconds of the decision that led to its latest step, all added up
