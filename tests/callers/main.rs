//! Integration tests of skeg.
