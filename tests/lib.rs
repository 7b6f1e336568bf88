//! The integration tests live in `it/`: one binary, whole services on a real NATS.
