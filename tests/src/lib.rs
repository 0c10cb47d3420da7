//! Whole-system scenarios: they run the built program and real browsers, and live in `browser/`.
//! What is here holds the structure of the workspace.
