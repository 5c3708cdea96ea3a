//! Each topic, said where it is true and not where it is not.
