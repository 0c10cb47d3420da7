//! Otyrys.
