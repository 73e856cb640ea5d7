#![doc = include_str!("../README.md")]

pub mod api;
pub mod release;
pub mod rollout;
