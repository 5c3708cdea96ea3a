//! What a rehearsal of these rules cannot show.
