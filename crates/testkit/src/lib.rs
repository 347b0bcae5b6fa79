//! Test support: clocks, a scripted inference server, builders. A dev-dependency only.
