//! Whole-system tests: real chain runtime, real inference server, real clients.
