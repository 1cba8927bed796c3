"""The worker: batch transport, decoding, counting and checkpoints under Faust."""
