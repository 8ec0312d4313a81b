//! How several values are written into one text.
