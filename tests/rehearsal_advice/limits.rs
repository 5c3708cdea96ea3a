//! What is not rehearsed.
