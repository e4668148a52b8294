//! Behaviour of a whole door.
