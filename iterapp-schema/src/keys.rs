//! Every key that can stand at a file's top: where it belongs and whether it has its effect yet.

/// One key.
pub struct Key {
    pub name: &'static str,
    pub place: Place,
    pub state: State,
}

/// Which files a key can stand in. The root file of an app with one appling is both.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Root,
    Appling,
    Both,
}

/// Whether a key does anything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does.
    InEffect,
    /// A value that is known and does nothing yet.
    Value,
    /// A section of known keys that do nothing yet.
    Section,
    /// A section whose keys the user chooses, and that does nothing yet.
    OpenSection,
    /// An older spelling of another key, which is not read yet.
    OlderSpelling(&'static str),
}

const fn key(name: &'static str, place: Place, state: State) -> Key {
    Key { name, place, state }
}

/// All of them, in the order in which the documentation tells of them.
pub const KEYS: &[Key] = &[
    key("applings", Place::Root, State::InEffect),
    key("default_environment", Place::Root, State::InEffect),
    key("name", Place::Appling, State::InEffect),
    key("port", Place::Appling, State::InEffect),
    key("readiness_path", Place::Appling, State::InEffect),
    key("liveness_path", Place::Appling, State::InEffect),
    key("replicas", Place::Appling, State::InEffect),
    key("domains", Place::Appling, State::InEffect),
    key("env", Place::Appling, State::InEffect),
    key(
        "auto_deploy_env",
        Place::Root,
        State::OlderSpelling("default_environment"),
    ),
    key(
        "health",
        Place::Appling,
        State::OlderSpelling("readiness_path"),
    ),
    key("domain", Place::Appling, State::OlderSpelling("domains")),
    key("emoji", Place::Both, State::Value),
    key("from_to_www_redirect", Place::Appling, State::Value),
    key("command", Place::Appling, State::Value),
    key("release_command", Place::Appling, State::Value),
    key("worker", Place::Appling, State::Value),
    key("grace_period", Place::Appling, State::Value),
    key("requests", Place::Appling, State::Section),
    key("limits", Place::Appling, State::Section),
    key("autoscale", Place::Appling, State::Section),
    key("node_selector", Place::Appling, State::OpenSection),
    key("postgres", Place::Both, State::Section),
    key("build", Place::Both, State::Section),
    key("build_secrets", Place::Both, State::OpenSection),
    key("ingress", Place::Appling, State::Section),
    key("experimental", Place::Both, State::Section),
    key("cronjobs", Place::Appling, State::OpenSection),
];

/// The key of that name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Their names.
pub fn names() -> Vec<&'static str> {
    KEYS.iter().map(|key| key.name).collect()
}
