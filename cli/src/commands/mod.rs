//! One module a command.

pub(crate) mod adopt;
pub(crate) mod apply;
pub(crate) mod audit;
pub(crate) mod db;
pub(crate) mod describe;
pub(crate) mod destroy;
pub(crate) mod doctor;
pub(crate) mod drift;
pub(crate) mod explain;
pub(crate) mod explain_code;
pub(crate) mod graph;
pub(crate) mod init;
pub(crate) mod jobs;
pub(crate) mod ledger;
pub(crate) mod order;
pub(crate) mod people;
pub(crate) mod plan;
pub(crate) mod pool;
pub(crate) mod render;
pub(crate) mod reserve;
pub(crate) mod sandbox;
pub(crate) mod schema;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod trial;
pub(crate) mod validate;
