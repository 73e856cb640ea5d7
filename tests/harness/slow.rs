//! Builds that take their time, and how to see them run.

use uuid::Uuid;

use crate::{dockerfile, eventually};

/// A build's step that sleeps, and that is found on this machine while it does: its text stands in
/// the command line.
pub struct SlowStep {
    /// A word that no other step has, and that stands in its name.
    pub mark: String,
}

impl SlowStep {
    /// A step that nobody has run before.
    pub fn unique() -> SlowStep {
        let mark = format!("mark-{}", Uuid::new_v4().simple());
        SlowStep { mark }
    }

    /// The tests' server, behind the step, which is run again when the message has changed. Sleep
    /// is not the shell's last command, which the shell would become itself.
    pub fn dockerfile(&self, message: &str, seconds: u32) -> String {
        let (mark, server) = (&self.mark, dockerfile(message));
        format!(
            "FROM busybox AS slow\nCOPY {message} /message\nRUN sleep {seconds}; : {mark}\n\
             {server}COPY --from=slow /message /slow\n"
        )
    }

    /// How many of it run on the daemon.
    ///
    /// # Panics
    /// When this machine does not tell of its processes.
    pub fn running(&self) -> usize {
        let processes = std::fs::read_dir("/proc").expect("/proc");
        let command_lines = processes.filter_map(|process| {
            // Most entries are no processes, and processes come and go.
            std::fs::read_to_string(process.ok()?.path().join("cmdline")).ok()
        });
        let steps = command_lines
            .filter(|line| line.starts_with("/bin/sh\0-c\0") && line.contains(&self.mark));
        steps.count()
    }

    /// Waits until so many of it run.
    pub async fn runs(&self, wanted: usize) {
        let what = format!("{wanted} steps run that have the {}", self.mark);
        eventually(&what, || async { (self.running() == wanted).then_some(()) }).await;
    }
}
