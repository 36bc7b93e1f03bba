//! Small profiles, golden; errors; limits.
