//! The executor against accounts in this process: containment, proof, undo, and what must never happen.

mod contain;
mod hostile;
mod killed;
mod kit;
