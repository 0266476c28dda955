//! What is true: the room and the presence of people, as pure state machines.
//!
//! The contract: [`decide::Draft::decide`] turns a request into events or a reason to refuse it; [`room::Room::apply`] is the only code
//! that changes a room, and it does so the same way everywhere; `Room::next_deadline` says when the room must be looked at again.
//! Nothing here reads a clock, draws a random number, waits, or knows how anything is written down.
pub mod access;
pub mod actor;
pub mod apply;
pub mod asks;
pub mod chain;
pub mod code;
pub mod command;
pub mod cursor;
pub mod decide;
pub mod dedup;
pub mod event;
pub mod id;
pub mod media;
pub mod mode;
pub mod permission;
pub mod presence;
pub mod queue;
pub mod reasons;
pub mod roles;
pub mod room;
pub mod rules;
pub mod seats;
mod small_map;
pub mod talk;
pub mod time;
pub mod turns;
pub mod windows;
