//! The shipped rules on attacks as they were really carried out.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

mod attacks;
