//! A budget for loaded files.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many bytes of files may be in memory at a time, over all builds of a builder. Whoever cannot
/// have its share waits, in order.
#[derive(Clone)]
pub(crate) struct Memory {
    /// In KiB, since a semaphore counts in 32 bits when many are taken at once.
    semaphore: Arc<Semaphore>,
    budget: u32,
}

impl Memory {
    pub(crate) fn new(bytes: u64) -> Memory {
        let budget = u32::try_from(bytes / 1024)
            .unwrap_or(u32::MAX >> 3)
            .clamp(1, u32::MAX >> 3);
        Memory {
            semaphore: Arc::new(Semaphore::new(budget as usize)),
            budget,
        }
    }

    /// A share for `bytes`, held until the value is dropped. What is larger than the whole budget
    /// waits until it is alone.
    pub(crate) async fn share(&self, bytes: u64) -> Option<OwnedSemaphorePermit> {
        let wanted = u32::try_from(bytes / 1024 + 1)
            .unwrap_or(u32::MAX)
            .min(self.budget);
        self.semaphore.clone().acquire_many_owned(wanted).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::time::timeout;

    #[tokio::test]
    async fn large_files_wait_for_each_other_and_small_ones_do_not() {
        let memory = Memory::new(64 * 1024);
        let waits = async |bytes| {
            timeout(Duration::from_millis(20), memory.share(bytes))
                .await
                .is_err()
        };
        let large = memory.share(40 * 1024).await;
        assert!(waits(40 * 1024).await);
        assert!(!waits(10 * 1024).await);
        drop(large);
        let larger_than_all = memory.share(1 << 40).await;
        assert!(larger_than_all.is_some() && waits(1).await);
    }
}
