# The recorder.
