//! Tables: what is read, and what is said of what is not.
