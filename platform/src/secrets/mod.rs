//! Secrets, sealed wherever they lie.
//!
//! | file | |
//! | --- | --- |
//! | `at_rest` | what the platform holds itself: in Postgres, under the key from its key file |
//! | `fingerprint` | what secrets are told from each other by, in names of objects |
//! | `reseal` | all of that under another key, by command |
//! | `sealed` | values that stand in `iterapp.toml`: anybody can seal one, the platform alone opens it |
//! | `ring` | the key pairs for those |
//! | `keys` | looking after them, by command |
//! | `open` | the values that an environment needs, wherever they come from, opened |

pub mod at_rest;
pub mod fingerprint;
pub mod keys;
pub mod open;
pub mod reseal;
pub mod ring;
pub mod sealed;

use rand::Rng;

/// `N` random bytes.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// Two digits for each byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
