//! Integration tests of skeg: see the test targets.
