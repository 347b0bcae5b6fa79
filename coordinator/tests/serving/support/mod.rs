//! What the tests are made of.

pub(crate) mod as_asked;
pub(crate) mod chain;
pub(crate) mod door;
pub(crate) mod habits;
pub(crate) mod node;
pub(crate) mod schema;
pub(crate) mod script;
pub(crate) mod world;

pub(crate) use node::ScriptedNode;
pub(crate) use script::Script;
pub(crate) use world::{Client, MODEL, World};
