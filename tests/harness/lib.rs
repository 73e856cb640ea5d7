//! The tests' harness: a platform of its own on the local stack, apps made on the spot, and what
//! is needed to look at them from outside.
//!
//! Everything is real but the forge. The stack is started by `deploy/local/run`; its addresses
//! come by the environment that `deploy/local/env` prints, and `tests/run` sets it.

mod api;
mod app;
mod bucket;
mod cli;
mod cluster;
mod forge;
mod image;
mod intake;
mod load;
mod platform;
mod pods;
mod postgres;
mod record;
mod repo;
mod scan;
mod slow;
mod wait;
mod web;

pub use app::{App, Deployed};
pub use bucket::Bucket;
pub use cli::{Hops, Ran};
pub use cluster::Kube;
pub use forge::{Delivery, Forge, sign};
pub use image::{image_blobs, image_config, want_base_image};
pub use load::{Answered, Connections, Failed, Load, Tally};
pub use platform::{Options, Platform, Role, unique};
pub use pods::{Pod, Watch, restart_proxies};
pub use postgres::{
    PostgresServer, node_address, proxy_files, proxy_login, proxy_logins, superuser,
};
pub use record::is_secret;
pub use repo::{Pushed, Repo, dockerfile};
pub use scan::{coded, find_below, find_in, unpacked};
pub use slow::SlowStep;
pub use wait::{eventually, eventually_within};
pub use web::{Answer, client, get, get_with, post};

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
    SHARED.get_or_init(|| resident(Options::default()))
}

/// Another one, which gives up on a candidate after 30 s: for tests of what does not become ready.
pub fn impatient() -> &'static Platform {
    static IMPATIENT: OnceLock<Platform> = OnceLock::new();
    IMPATIENT.get_or_init(|| {
        resident(Options {
            rollout_deadline: 30,
            ..Options::default()
        })
    })
}

/// A platform that ends with the test binary.
fn resident(options: Options) -> Platform {
    // The platform ends when the thread ends that started it: so that thread must stay.
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        sender
            .send(Platform::start(options))
            .expect("nobody waits for the platform");
        std::thread::park();
    });
    receiver.recv().expect("the platform did not start")
}

/// The image of the server in `tests/server`, which most test apps run.
pub fn server_image() -> String {
    setting("HOPS_TEST_SERVER_IMAGE")
}
