//! The tests' harness: a platform of its own on the local stack, apps made on the spot, and what
//! is needed to look at them from outside.
//!
//! Everything is real but the forge. The stack is started by `deploy/local/run`; its addresses
//! come by the environment that `deploy/local/env` prints, and `tests/run` sets it.

mod app;
mod cluster;
mod forge;
mod platform;
mod repo;
mod wait;
mod web;

pub use app::{App, Deployed};
pub use cluster::Kube;
pub use forge::{Delivery, Forge};
pub use platform::{Options, Platform, Role};
pub use repo::{Pushed, Repo, dockerfile};
pub use wait::{eventually, eventually_within};
pub use web::{Answer, client, get, get_with};

use std::sync::OnceLock;

/// A setting that `deploy/local/env` prints.
///
/// # Panics
/// When it is missing: then the stack is not running, and no test can say anything.
pub fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests by tests/run"))
}

/// The platform that most tests share, each with apps of its own. It ends with the test binary.
pub fn shared() -> &'static Platform {
    static SHARED: OnceLock<Platform> = OnceLock::new();
    SHARED.get_or_init(|| {
        // The platform ends when the thread ends that started it: so that thread must stay.
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            sender
                .send(Platform::start(Options::default()))
                .expect("nobody waits for the platform");
            std::thread::park();
        });
        receiver.recv().expect("the platform did not start")
    })
}

/// The image of the server in `tests/server`, which most test apps run.
pub fn server_image() -> String {
    setting("HOPS_TEST_SERVER_IMAGE")
}
