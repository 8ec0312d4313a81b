//! The HTTP API, the schedule, and work in the background.
