#![doc = include_str!("../README.md")]

pub mod api;
pub mod cli;
pub mod config;
pub mod controller;
pub mod database;
pub mod db;
pub mod git;
pub mod lease;
pub mod nudge;
pub mod platform;
pub mod registry;
pub mod release;
pub mod rollout;
pub mod secrets;
pub mod web;
pub mod webhook;
