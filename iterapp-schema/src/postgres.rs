//! `[postgres]`: a database per environment.

use crate::diagnostic::Code;
use crate::file::{Fault, File};
use crate::format::{At, PostgresKeys};
use crate::iterapp::{External, Postgres};

/// Reads `[postgres]`.
pub fn read(keys: Option<At<PostgresKeys>>, file: &mut File) -> Option<Postgres> {
    let PostgresKeys {
        extensions,
        pooling,
        external,
        proxy,
    } = keys?.value;
    if external.is_some() {
        let beside = "beside `external`: the platform does not make that database";
        idle(
            file,
            extensions.as_ref(),
            "extensions",
            beside,
            "create it there",
        );
        if !proxy.as_ref().is_some_and(|at| at.value) {
            let beside = "beside `external`: the SQL proxy is what pools";
            let hint = "ask for it with `proxy = true`";
            idle(file, pooling.as_ref(), "pooling", beside, hint);
        }
    } else {
        let without = "without `external`: the platform's own databases are always reached through the SQL proxy";
        idle(file, proxy.as_ref(), "proxy", without, "remove it");
    }
    let proxy = proxy.is_some_and(|at| at.value);
    let extensions = extensions.map(|at| at.value.0).unwrap_or_default();
    Some(Postgres {
        extensions: extensions.into_iter().map(|at| at.value.0).collect(),
        pooling: pooling.map(|at| at.value).unwrap_or_default(),
        external: external.map(|at| External {
            secret: at.value.0,
            proxy,
        }),
    })
}

/// Tells of a key that does nothing beside the others, if it is there.
fn idle<T>(file: &mut File, key: Option<&At<T>>, name: &str, why: &str, hint: &str) {
    if let Some(at) = key {
        let message = format!("`{name}` in `[postgres]` does nothing {why}");
        let fault = Fault::new(Code::NoEffect, message).hint(hint);
        file.report(at.key.clone(), fault);
    }
}
