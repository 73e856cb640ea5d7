//! How long a command bears with a platform that is out of reach while it waits for something.

use std::time::Duration;

use tokio::time::Instant;

use super::failure::Failure;
use super::ui::Ui;

/// So long the platform may be out of reach before one gives up.
const GIVE_UP: Duration = Duration::from_secs(300);
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The code of a failure that is none worth telling: nothing was said for a while.
pub const QUIET: &str = "quiet";

/// How long to wait before the next attempt, and when to give up.
#[derive(Debug)]
pub struct Patience {
    pause: Duration,
    trouble_since: Option<Instant>,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            pause: SHORTEST_PAUSE,
            trouble_since: None,
        }
    }
}

impl Patience {
    /// The platform answered.
    pub fn reached(&mut self) {
        self.trouble_since = None;
    }

    /// Something went on: the next attempt may come soon.
    pub fn progress(&mut self) {
        self.pause = SHORTEST_PAUSE;
    }

    /// Goes on after a failure that waiting may mend, and says so once; another one is given back, and so is
    /// the one that was the last straw.
    pub fn endure(&mut self, ui: &mut Ui, failure: Failure) -> Result<(), Failure> {
        if !failure.temporary || self.is_over() {
            return Err(failure);
        }
        if failure.code != QUIET && self.first_trouble() {
            let why = failure.causes.last().unwrap_or(&failure.message);
            ui.note(format_args!("the connection is lost ({why}); trying again"));
        }
        Ok(())
    }

    fn first_trouble(&mut self) -> bool {
        let first = self.trouble_since.is_none();
        self.trouble_since.get_or_insert_with(Instant::now);
        first
    }

    fn is_over(&self) -> bool {
        self.trouble_since
            .is_some_and(|since| since.elapsed() > GIVE_UP)
    }

    /// Waits until the next attempt, longer each time.
    pub async fn pause(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }
}
