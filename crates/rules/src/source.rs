//! Files written by others, read with positions: what rules share with runbooks, which are files of the same kind.

pub use crate::diagnostic::{Reporter, on_one_line, quoted};
pub use crate::modifier::nearest;
pub use crate::yaml::{Data, Mark, Meaning, Node, Scalar, read};
