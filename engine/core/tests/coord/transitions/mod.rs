//! Every state of a group meets every event.

mod block;
mod cell;
mod judge;
mod table;
