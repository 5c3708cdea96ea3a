//! What the user may want to change about a candidate that loads.
