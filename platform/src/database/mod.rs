//! Databases of environments, on Postgres servers that the platform is told of.
//!
//! | file | |
//! | --- | --- |
//! | `servers` | the servers, from the platform's settings |
//! | `names` | what a database, its owner and its logins are called. Pure |
//! | `provision` | makes them so on a server, any number of times |
//! | `environment` | the databases of an environment: made before a release begins, read by each pass |
//! | `connection` | how applings reach one: through the SQL proxy, or by its address. Pure |
//! | `budget` | whether all pods together stay within a database's limit. Pure |
//! | `rotation` | another password, without a lost query |
//! | `grants` | logins for people, which end by themselves |
//! | `backup` | dumps, each proved by a restore; and restores |
//!
//! A role without a login owns the database; two logins that are its members take turns, and become it
//! when they connect (`alter role … set role`), so that all they make is the owner's.

pub mod backup;
pub mod budget;
pub mod connection;
pub mod environment;
pub mod grants;
pub mod names;
pub mod provision;
pub mod rotation;
pub mod servers;
