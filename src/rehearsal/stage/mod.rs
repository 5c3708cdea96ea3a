//! Two scratch network namespaces joined by wires: one that looks like this host, and the world around it.
